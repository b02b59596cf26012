// The bench: uploads photographs to the real server over HTTP and says how much of the bare loop's speed is left of it.
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { startServer } from '../test/support/server.ts'
import { runChild, type Taken } from './child.ts'
import { generateOriginals, takeOriginals, type Original } from './originals.ts'
import { limitMs, runBareLoop } from './run-bare-loop.ts'
import { figures, median, round, shown, table, type ModeFigures, type Report } from './report.ts'
import { MODES, type ClientInput, type Mode } from './upload-client.ts'

interface Options {
  images: number
  from?: string
  megapixels: { from: number; to: number }
  modes: Mode[]
  json?: true
}

/** As many as the server takes in one request by default. */
const MAX_IMAGES = 5_000
const RSS_SAMPLE_MS = 250
/** Images developed before the clock starts: every child process and every code path has had some. */
const WARM_UP_IMAGES = 2 * availableParallelism()

const options = new Command('npm run bench --')
  .description(
    'Uploads photographs by each endpoint to a server of its own, each time a fresh one, and prints seconds, images/s, ' +
      'CPU ms an image of the server with its children, peak memory, and the ratio to the bare loop: the same recipe over ' +
      'the same files without a server, run before, between and after (the median counts). Everything it makes lies in a ' +
      'temporary folder of the clone and goes afterwards.',
  )
  .option('--images <number>', `how many, up to ${MAX_IMAGES}`, readCount, 200)
  .option('--from <folder>', 'take the images in this folder instead of generating photographs')
  .addOption(
    new Option('--megapixels <from-to>', 'sizes of the generated photographs')
      .argParser(readRange)
      .default({ from: 0.5, to: 12 }, '0.5-12'),
  )
  .addOption(new Option('--modes <list>', 'which to run').argParser(readModes).default([...MODES], MODES.join()))
  .option('--json', 'print the figures as one line of JSON')
  .addHelpText('after', '\nThe settings of the server are taken from the environment, but for HOST, PORT and DATA_DIR.')
  .parse()
  .opts<Options>()

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > MAX_IMAGES) throw new InvalidArgumentError(`A whole number from 1 to ${MAX_IMAGES}.`)
  return count
}

function readRange(text: string): Options['megapixels'] {
  const [from = NaN, to = NaN] = text.split('-').map(Number)
  if (!(from > 0 && from <= to && to <= 50)) throw new InvalidArgumentError('Two sizes like 0.5-12, up to 50.')
  return { from, to }
}

function readModes(text: string): Mode[] {
  const names = text.split(',')
  const unknown = names.find((name) => !MODES.includes(name as Mode))
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${MODES.join(', ')}.`)
  return names as Mode[]
}

async function runMode(mode: Mode, originals: Original[], warmUp: Original[], root: string) {
  const dataDir = await mkdtemp(join(root, `${mode}-`))
  const images = originals.length
  await using server = await startServer({ dataDir, env: { LOG_LEVEL: 'warn' } })
  let cpuBeforeMs = 0
  let peakRssMb = 0
  const sample = () => {
    peakRssMb = Math.max(peakRssMb, server.rssMb())
  }
  let sampling: NodeJS.Timeout | undefined
  try {
    const client = await shown(mode, images, (onProgress) =>
      runChild<ClientInput, Taken>(
        join(import.meta.dirname, 'upload-client.ts'),
        { url: server.url, mode, originals, warmUp },
        {
          timeoutMs: limitMs(images),
          onProgress,
          onWarm() {
            sampling = setInterval(sample, RSS_SAMPLE_MS)
            cpuBeforeMs = server.cpuMs()
          },
        },
      ),
    )
    const cpuMs = server.cpuMs() - cpuBeforeMs
    sample()
    return { mode, client, cpuMs, peakRssMb }
  } catch (error) {
    throw new Error(`${mode}: ${(error as Error).message}\nThe server's last words:\n${server.output().slice(-2000)}`, { cause: error })
  } finally {
    clearInterval(sampling)
    await server.stop()
    await rm(dataDir, { recursive: true })
  }
}

async function measure(root: string): Promise<{ originals: Original[]; report: Report }> {
  const { images, from, megapixels } = options
  const folders = { originals: join(root, 'originals'), warmUp: join(root, 'warm-up') }
  await mkdir(folders.originals)
  await mkdir(folders.warmUp)
  const originals = await shown('photographs', images, (progress) =>
    from === undefined
      ? generateOriginals(folders.originals, images, { ...megapixels, firstSeed: 0 }, progress)
      : takeOriginals(from, images, progress),
  )
  if (originals.length === 0) throw new Error(`There is no JPEG, PNG, WebP, AVIF or GIF in ${from}.`)
  const warmUp = await generateOriginals(folders.warmUp, WARM_UP_IMAGES, { from: 0.5, to: 2, firstSeed: MAX_IMAGES }, () => {})

  const runBare = () => runBareLoop({ originals, warmUp, pipelines: availableParallelism() }, root)
  const bareRuns = [await runBare()]
  const runs = []
  for (const mode of options.modes) {
    runs.push(await runMode(mode, originals, warmUp, root))
    bareRuns.push(await runBare())
  }

  const count = originals.length
  const bare = figures(count, median(bareRuns.map((run) => run.seconds)), median(bareRuns.map((run) => run.cpuMs)))
  const modes = runs.map(({ mode, client, cpuMs, peakRssMb }): ModeFigures => {
    const own = figures(count, client.seconds, cpuMs)
    return {
      mode,
      ...own,
      peakRssMb: round(peakRssMb, 1),
      ratio: round(own.imagesPerSecond / bare.imagesPerSecond, 3),
      cpuRatio: round(own.cpuMsPerImage / bare.cpuMsPerImage, 3),
      clientCpuMsPerImage: round(client.cpuMs / count, 2),
    }
  })
  return { originals, report: { bare, modes } }
}

// In the clone, so on the disk DATA_DIR is on by default: the system's temporary folder may be in memory.
const cache = join(import.meta.dirname, '../node_modules/.cache')
await mkdir(cache, { recursive: true })
const root = await mkdtemp(join(cache, 'bench-'))
process.once('exit', () => rmSync(root, { recursive: true, force: true }))

try {
  const { originals, report } = await measure(root)
  if (options.json) console.log(JSON.stringify(report))
  else {
    const sum = (of: (original: Original) => number) => originals.reduce((total, original) => total + of(original), 0)
    const megapixels = sum((original) => original.megapixels).toFixed(0)
    const megabytes = (sum((original) => original.bytes) / 1e6).toFixed(0)
    console.log(
      `${originals.length} images, ${megapixels} megapixels, ${megabytes} MB; ${availableParallelism()} cores\n\n${table(report)}`,
    )
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
