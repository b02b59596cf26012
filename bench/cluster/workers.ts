// `npm run bench:workers`: what a second worker brings, and how soon one that is added while a batch runs takes part.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Command } from 'commander'
import { startCluster, type TestCluster } from '../../test/support/servers/cluster.ts'
import { withSmallPhotographs } from './photographs.ts'
import { openRows } from './rows.ts'
import { columns } from '../run/columns.ts'
import { postFiles, type SentFile } from '../run/multipart.ts'
import { generateOriginals, type Original } from '../run/originals.ts'
import { wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { median, round } from '../measure/statistics.ts'
import { runBareLoop } from '../journey/run-bare-loop.ts'

const LEAST_RATIO = 1.8
const LATEST_DEVELOPING_MS = 2_000
/** Photographs as cameras make them, as in `npm run bench`. */
const MEGAPIXELS = { from: 0.5, to: 12 }
const SMALL_IMAGES = 1_000
const TIMEOUT_MS = 600_000
const LOOK_MS = 20

interface Run {
  workers: number
  seconds: number
  imagesPerSecond: number
}

const options = new Command('npm run bench:workers --')
  .description(
    'Starts clusters (npm run cluster) with one worker and with two, WORKER_CONCURRENCY=1 each. Images are uploaded while the workers ' +
      'are frozen; then the workers go on, the API servers have nothing to do, and the clock runs until the last image is completed. ' +
      `Then a worker is added while one develops ${SMALL_IMAGES} small images. Give --images enough that each run takes 10 s.`,
  )
  .option('--images <number>', 'photographs in each run', wholeNumber(5_000), 400)
  .option('--rounds <number>', 'runs with one worker, and with two; the medians count', wholeNumber(99), 3)
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ images: number; rounds: number; json?: true }>()

const names = (workers: number) => Array.from({ length: workers }, (_, index) => `worker-${index + 1}`)

async function upload(cluster: TestCluster, files: SentFile[]): Promise<void> {
  const agent = new Agent()
  try {
    const { status, body } = await postFiles(agent, `${cluster.url}/api/async/batch/upload`, 'images', files)
    if (status !== 202) throw new Error(`The upload was answered with ${status}: ${JSON.stringify(body)}`)
  } finally {
    agent.destroy()
  }
}

const start = (workers: number) => startCluster({ workers, env: { WORKER_CONCURRENCY: '1' } })

async function drain(workers: number, originals: Original[], warmUp: Original[]): Promise<Run> {
  await using cluster = await start(workers)
  const rows = await openRows(cluster.directDatabaseUrl)
  try {
    await upload(cluster, warmUp)
    await rows.completed(warmUp.length, TIMEOUT_MS)
    for (const name of names(workers)) await cluster.kill(name, 'SIGSTOP')
    await upload(cluster, originals)
    const begun = performance.now()
    for (const name of names(workers)) await cluster.kill(name, 'SIGCONT')
    await shown(`${workers} of 1`, originals.length, () => rows.completed(warmUp.length + originals.length, TIMEOUT_MS))
    const seconds = (performance.now() - begun) / 1000
    return { workers, seconds: round(seconds, 2), imagesPerSecond: round(originals.length / seconds, 2) }
  } finally {
    await rows.close()
  }
}

interface Stats {
  children: { busy: boolean; developed: number }[]
}

/** Milliseconds from the order to start one worker more until one of its children has developed an image. */
async function addWorker(files: SentFile[]): Promise<{ readyMs: number; developedMs: number; waitingThen: number }> {
  await using cluster = await start(1)
  const rows = await openRows(cluster.directDatabaseUrl)
  try {
    await upload(cluster, files)
    const begun = performance.now()
    const { url } = await cluster.start('worker-2')
    const readyMs = performance.now() - begun
    for (;;) {
      const { children } = (await (await fetch(`${url}/stats`)).json()) as Stats
      if (children.some(({ developed }) => developed > 0)) break
      if (performance.now() - begun > TIMEOUT_MS) throw new Error('The worker that was added developed nothing.')
      await wait(LOOK_MS)
    }
    const developedMs = performance.now() - begun
    const [waiting] = await rows.query<{ images: string }>("select count(*) as images from images where status = 'pending'")
    await rows.completed(files.length, TIMEOUT_MS)
    return { readyMs: Math.round(readyMs), developedMs: Math.round(developedMs), waitingThen: Number(waiting?.images) }
  } finally {
    await rows.close()
  }
}

async function measure(root: string) {
  const folders = { originals: join(root, 'originals'), warmUp: join(root, 'warm-up') }
  await mkdir(folders.originals)
  await mkdir(folders.warmUp)
  const originals = await shown('photographs', options.images, (progress) =>
    generateOriginals(folders.originals, options.images, { ...MEGAPIXELS, firstSeed: 0 }, progress),
  )
  const warmUp = await generateOriginals(folders.warmUp, 40, { from: 0.5, to: 1, firstSeed: 100_000 }, () => {})
  const runs: Run[] = []
  for (let round = 0; round < options.rounds; round++) {
    for (const workers of [1, 2]) runs.push(await drain(workers, originals, warmUp))
  }
  // What the machine itself gives: two cores share caches and memory.
  const bareSeconds = async (pipelines: number) => (await runBareLoop({ originals, warmUp, pipelines }, root)).seconds
  const bareRatio = round((await bareSeconds(1)) / (await bareSeconds(2)), 2)
  const rate = (workers: number) => median(runs.filter((run) => run.workers === workers).map((run) => run.imagesPerSecond))
  const added = await withSmallPhotographs(SMALL_IMAGES, (files) => addWorker(files.map((path) => ({ path, format: 'jpeg' }))))
  return { cores: availableParallelism(), runs, one: rate(1), two: rate(2), ratio: round(rate(2) / rate(1), 2), bareRatio, added }
}

// In the clone, as for `npm run bench`.
const cache = join(import.meta.dirname, '../../node_modules/.cache')
await mkdir(cache, { recursive: true })
const root = await mkdtemp(join(cache, 'bench-'))
try {
  const figures = await measure(root)
  const { runs, one, two, ratio, bareRatio, added } = figures
  if (options.json) console.log(JSON.stringify(figures))
  else {
    const rows = runs.map((run) => [`${run.workers} of WORKER_CONCURRENCY=1`, run.seconds.toFixed(1), run.imagesPerSecond.toFixed(1)])
    console.log(columns([['workers', 'seconds', 'images/s'], ...rows]))
    console.log(
      `\nTwo against one, medians of ${options.rounds}: ${two} against ${one} images/s, ${ratio} times (${LEAST_RATIO} is wanted); ` +
        `the bare loop with two pipelines against one: ${bareRatio} times`,
    )
    console.log(
      `A worker added to a batch of ${SMALL_IMAGES}: ready after ${added.readyMs} ms, an image developed after ${added.developedMs} ms ` +
        `(${LATEST_DEVELOPING_MS} is wanted), while ${added.waitingThen} images waited`,
    )
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
} finally {
  await rm(root, { recursive: true })
}
