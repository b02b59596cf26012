// `npm run bench:small`: how much less time a batch of a few images takes than the same images one by one, each waiting for the last.
import { availableParallelism } from 'node:os'
import { Agent } from 'node:http'
import { Command, Option } from 'commander'
import { cell, columns } from '../run/columns.ts'
import { createUploader } from '../run/uploader.ts'
import type { SentFile } from '../run/multipart.ts'
import { megapixels, wholeNumber, wholeNumbers, type Megapixels } from '../run/options.ts'
import { describeOriginals, originalsFor } from '../run/originals.ts'
import { shown } from '../run/progress.ts'
import { runBareLoop } from '../journey/run-bare-loop.ts'
import { inScratch } from '../run/scratch.ts'
import { median, round } from '../measure/statistics.ts'
import { startSubject, TOPOLOGIES, type Topology } from '../run/subject.ts'

interface Options {
  images: number[]
  rounds: number
  megapixels: Megapixels
  topology: Topology
  json?: true
}

const options = new Command('npm run bench:small --')
  .description(
    'Uploads a few photographs to a warm server of its own in one batch, and one by one, each when the last is developed, in turns: the ' +
      'seconds until all are developed, and how much less a batch takes. Beside it the bare loop, with a pipeline for each core against ' +
      'one: less time than that no batch can take.',
  )
  .option('--images <list>', 'how many', wholeNumbers(1_000), [1, 5, 10, 20, 50, 100])
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 3)
  .addOption(
    new Option('--megapixels <from-to>', 'sizes of the photographs').argParser(megapixels).default({ from: 0.5, to: 12 }, '0.5-12'),
  )
  .addOption(new Option('--topology <name>', 'what is started').choices(TOPOLOGIES).default('embedded'))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<Options>()

const lessPercent = (one: number, other: number) => round(100 * (1 - other / one), 1)

await inScratch(async (root) => {
  const { originals, warmUp } = await originalsFor(root, Math.max(...options.images), options)
  await using subject = await startSubject({ topology: options.topology, root })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const uploader = await createUploader(subject.url, agent)
  let tag = 0
  /** Developed anew each time. */
  const anew = (files: SentFile[]) => files.map((file) => ({ ...file, tag: String(++tag) }))
  const timed = async (step: () => Promise<void>) => {
    const startedAt = performance.now()
    await step()
    return (performance.now() - startedAt) / 1000
  }
  const oneByOne = async (files: SentFile[]) => {
    for (const file of files) await uploader.sync(file)
  }
  try {
    await oneByOne(anew(warmUp))
    const rows = []
    for (const images of options.images) {
      const files = originals.slice(0, images)
      const seconds = { oneByOne: [] as number[], batch: [] as number[], bareOne: [] as number[], bareAll: [] as number[] }
      for (let number = 1; number <= options.rounds; number++) {
        const bare = async (pipelines: number) => (await runBareLoop({ originals: files, warmUp, pipelines }, root, `${images}`)).seconds
        const label = `${number}/${options.rounds}`
        seconds.oneByOne.push(await shown(`${images} one by one ${label}`, images, () => timed(() => oneByOne(anew(files)))))
        seconds.batch.push(await shown(`${images} in a batch ${label}`, images, () => timed(() => uploader.batch(anew(files)))))
        seconds.bareOne.push(await bare(1))
        seconds.bareAll.push(await bare(availableParallelism()))
      }
      const [one, batch, bareOne, bareAll] = [seconds.oneByOne, seconds.batch, seconds.bareOne, seconds.bareAll].map(median) as [
        number,
        number,
        number,
        number,
      ]
      rows.push({
        images,
        oneByOneSeconds: round(one, 3),
        batchSeconds: round(batch, 3),
        lessPercent: lessPercent(one, batch),
        bareLessPercent: lessPercent(bareOne, bareAll),
      })
    }
    if (options.json) return console.log(JSON.stringify({ batches: rows }))
    const lines = rows.map((row) => [
      String(row.images),
      cell(row.oneByOneSeconds, 2),
      cell(row.batchSeconds, 2),
      `${cell(row.lessPercent)} %`,
      `${cell(row.bareLessPercent)} %`,
    ])
    console.log(`${describeOriginals(originals)}\n`)
    console.log(columns([['images', 'one by one, s', 'batch, s', 'less time', 'bare loop, all cores against one'], ...lines]))
  } finally {
    uploader.close()
    agent.destroy()
  }
})
