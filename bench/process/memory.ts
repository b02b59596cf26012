// `npm run bench:memory`: the most memory the server and its children take over a thousand large photographs, and whether it grows.
import { writeFile, mkdir } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { cell, columns } from '../run/columns.ts'
import { megapixels, wholeNumber, type Megapixels } from '../run/options.ts'
import { generateOriginals } from '../run/originals.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { round } from '../measure/statistics.ts'
import { startSubject } from '../run/subject.ts'
import { createUploader } from '../run/uploader.ts'

const MOST_RSS_MB = 600
const MOST_GROWTH = 1.1
const SAMPLE_MS = 100
/** Each is sent many times, each time as another file. */
const PICTURES = 16
/** Where what is taken is noted: at every fifth of them. */
const PARTS = 5

const options = new Command('npm run bench:memory --')
  .description(
    'Uploads large photographs to a server of its own in one batch, and notes the greatest sum of the resident memory of the server and ' +
      'its children, up to each fifth of the images and in each fifth alone. A thousand of 24 megapixels take 9 GB of disk meanwhile.',
  )
  .option('--images <number>', 'how many', wholeNumber(5_000), 1_000)
  .addOption(new Option('--megapixels <from-to>', 'their size').argParser(megapixels).default({ from: 24, to: 24 }, '24'))
  .option('--csv <file>', 'write every sample: seconds, images completed, MB')
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ images: number; megapixels: Megapixels; csv?: string; json?: true }>()

interface Sample {
  seconds: number
  images: number
  rssMb: number
}

await inScratch(async (root) => {
  const folder = join(root, 'originals')
  await mkdir(folder)
  const pictures = await shown('photographs', PICTURES, (progress) =>
    generateOriginals(folder, PICTURES, { ...options.megapixels, firstSeed: 0 }, progress),
  )
  await using subject = await startSubject({ topology: 'embedded', root })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let completed = 0
  let showProgress: (done: number) => void = () => {}
  const uploader = await createUploader(subject.url, agent, (images) => showProgress((completed = images)))
  const samples: Sample[] = []
  const startedAt = performance.now()
  const sample = () => samples.push({ seconds: (performance.now() - startedAt) / 1_000, images: completed, rssMb: subject.rssMb()! })
  const sampling = setInterval(sample, SAMPLE_MS)
  try {
    const files = Array.from({ length: options.images }, (_, index) => ({ ...pictures[index % PICTURES]!, tag: String(index) }))
    await shown(`${options.images} images`, options.images, (progress) => {
      showProgress = progress
      return uploader.batch(files)
    })
    sample()
  } finally {
    clearInterval(sampling)
    uploader.close()
    agent.destroy()
  }
  const peak = (of: Sample[]) => round(Math.max(0, ...of.map(({ rssMb }) => rssMb)), 1)
  const parts = Array.from({ length: PARTS }, (_, index) => {
    const [from, to] = [Math.round((index * options.images) / PARTS), Math.round(((index + 1) * options.images) / PARTS)]
    return {
      images: to,
      peakSoFarMb: peak(samples.filter(({ images }) => images <= to)),
      peakWithinMb: peak(samples.filter(({ images }) => images > from && images <= to)),
    }
  })
  const [first, last] = [parts[0]!, parts.at(-1)!]
  const growth = round(last.peakSoFarMb / first.peakSoFarMb, 3)
  if (options.csv !== undefined) {
    const lines = samples.map(({ seconds, images, rssMb }) => `${seconds.toFixed(1)},${images},${rssMb.toFixed(1)}`)
    await writeFile(options.csv, ['seconds,images,rss_mb', ...lines, ''].join('\n'))
  }
  if (options.json) return console.log(JSON.stringify({ parts, growth }))
  const lines = parts.map((part) => [String(part.images), cell(part.peakSoFarMb), cell(part.peakWithinMb)])
  console.log(columns([['images', 'peak RSS so far, MB', 'within this fifth'], ...lines]))
  console.log(
    `\n${cell(last.peakSoFarMb)} MB (${MOST_RSS_MB} are wanted); ${growth} times what it was after ${first.images} (${MOST_GROWTH} is wanted)`,
  )
})
