// `npm run bench:outputs`: all outputs from one decode, against a call of sharp for each output, for every format.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import sharp from 'sharp'
import { FORMATS, type Format } from '../../src/image.ts'
import { photograph } from '../../test/support/inputs/photographs.ts'
import { runChild, type Taken } from '../run/child.ts'
import { cell, columns } from '../run/columns.ts'
import { megapixels, wholeNumber, type Megapixels } from '../run/options.ts'
import type { OutputsInput } from './outputs-loop.ts'
import { shown } from '../run/progress.ts'
import { limitMs } from '../journey/run-bare-loop.ts'
import { inScratch } from '../run/scratch.ts'
import { median, round } from '../measure/statistics.ts'

const MOST_RATIO = 0.85
const FORMAT_NAMES = Object.keys(FORMATS) as Format[]
/** A GIF is an animation of so many frames, of this width: as GIFs are. */
const FRAMES = 10
const GIF_WIDTH = 480

const options = new Command('npm run bench:outputs --')
  .description(
    'Develops photographs of each format by the recipe, where one decode serves the image, the thumbnail and the thumbhash, and by a call ' +
      'of sharp for each of them at the same settings, in turns: CPU ms an image of each, and their ratio.',
  )
  .option('--images <number>', 'of each format', wholeNumber(1_000), 8)
  .addOption(new Option('--megapixels <from-to>', 'sizes').argParser(megapixels).default({ from: 2, to: 12 }, '2-12'))
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 3)
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ images: number; megapixels: Megapixels; rounds: number; json?: true }>()

async function makeImages(folder: string, format: Format): Promise<string[]> {
  await mkdir(folder)
  const { images, megapixels: sizes } = options
  const paths: string[] = []
  for (let seed = 0; seed < images; seed++) {
    const size = sizes.from + ((sizes.to - sizes.from) * seed) / Math.max(1, images - 1)
    const path = join(folder, String(seed))
    await writeFile(path, format === 'gif' ? await animation(seed) : await photograph({ seed, megapixels: size, format }))
    paths.push(path)
  }
  return paths
}

/** Of one photograph, a part of it in each frame, as if the camera moved over it. */
async function animation(seed: number): Promise<Buffer> {
  const picture = sharp(await photograph({ seed, megapixels: 1 })).resize(GIF_WIDTH + 8 * FRAMES, 400, { fit: 'cover' })
  const frames = Array.from({ length: FRAMES }, (_, frame) =>
    picture
      .clone()
      .extract({ left: 8 * frame, top: 0, width: GIF_WIDTH, height: 400 })
      .png({ compressionLevel: 0 })
      .toBuffer(),
  )
  return sharp(await Promise.all(frames), { join: { animated: true } })
    .gif({ effort: 1 })
    .toBuffer()
}

await inScratch(async (root) => {
  const rows = []
  for (const format of FORMAT_NAMES) {
    const paths = await shown(`${format} images`, options.images, () => makeImages(join(root, format), format))
    const runs = { recipe: [] as number[], separate: [] as number[] }
    for (let number = 1; number <= options.rounds; number++) {
      for (const way of ['recipe', 'separate'] as const) {
        const folder = await mkdtemp(join(root, 'outputs-'))
        const taken = await shown(`${format}, ${way} ${number}/${options.rounds}`, paths.length, (onProgress) =>
          runChild<OutputsInput, Taken>(
            join(import.meta.dirname, 'outputs-loop.ts'),
            { paths, format, way, folder },
            { timeoutMs: limitMs(paths.length), onProgress, env: { UV_THREADPOOL_SIZE: '3', MALLOC_ARENA_MAX: '2' } },
          ),
        )
        runs[way].push(taken.cpuMs / paths.length)
        await rm(folder, { recursive: true })
      }
    }
    const ratio = median(runs.recipe.map((cpuMs, index) => cpuMs / runs.separate[index]!))
    rows.push({
      format,
      recipeCpuMs: round(median(runs.recipe), 2),
      separateCpuMs: round(median(runs.separate), 2),
      ratio: round(ratio, 3),
    })
  }
  const medianRatio = round(median(rows.map(({ ratio }) => ratio)), 3)
  if (options.json) return console.log(JSON.stringify({ formats: rows, medianRatio }))
  const lines = rows.map(({ format, recipeCpuMs, separateCpuMs, ratio }) => [
    format,
    cell(recipeCpuMs, 1),
    cell(separateCpuMs, 1),
    cell(ratio, 2),
  ])
  console.log(columns([['CPU ms/image', 'one decode', 'separate calls', 'ratio'], ...lines]))
  console.log(`\nMedian over the formats: ${cell(medianRatio, 2)} (${MOST_RATIO} is wanted)`)
})
