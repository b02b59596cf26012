// The bench: uploads photographs to the real server over HTTP and says how much of the bare loop's speed is left of it.
import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { megapixels, someOf, wholeNumber, wholeNumbers, type Megapixels } from '../run/options.ts'
import { describeOriginals, originalsFor } from '../run/originals.ts'
import { chart } from './chart.ts'
import { profileBatch } from './profile-server.ts'
import { sectionTable, type Section } from './report.ts'
import { runRounds, type RoundsOptions } from './rounds.ts'
import { REQUESTS_AT_ONCE } from './run-mode.ts'
import { inScratch } from '../run/scratch.ts'
import { runningSubject, startSubject, TOPOLOGIES, type Topology } from '../run/subject.ts'
import { MODES, type Mode } from './upload-client.ts'

/** As many as the server takes in one request by default. */
const MAX_IMAGES = 5_000

interface Options {
  images: number[]
  modes: Mode[]
  rounds: number
  atOnce: number
  from?: string
  megapixels: Megapixels
  identical: boolean
  counts: boolean
  topology: Topology
  url?: string
  pid?: number
  profile?: true | string
  svg?: string
  json?: true
}

const options = new Command('npm run bench --')
  .description(
    'Uploads photographs by each endpoint to a server of its own, each time a fresh one, in rounds with the bare loop: the same recipe ' +
      'over the same files without a server, one pipeline a core. Prints CPU ms an image of the server with its children, images/s and ' +
      'the ratio of both to the bare loop of the same round, what the client waits for, peak memory, and how often the database and the ' +
      'queue were asked. Every figure is the median of the rounds. Everything it makes lies in a temporary folder of the clone and goes afterwards.',
  )
  .option('--images <list>', `how many, each up to ${MAX_IMAGES}; a table for each`, wholeNumbers(MAX_IMAGES), [200])
  .addOption(new Option('--modes <list>', 'which to run').argParser(someOf(MODES)).default([...MODES], MODES.join()))
  .option('--rounds <number>', 'runs of each', wholeNumber(99), 3)
  .option('--at-once <number>', 'requests at once, by the endpoints of one file', wholeNumber(5_000), REQUESTS_AT_ONCE)
  .option('--from <folder>', 'take the images in this folder instead of generating photographs')
  .addOption(
    new Option('--megapixels <from-to>', 'sizes of the photographs').argParser(megapixels).default({ from: 0.5, to: 12 }, '0.5-12'),
  )
  .option('--no-identical', 'leave out the table of the same photograph sent so many times')
  .option('--no-counts', 'leave out the run, in none of the other figures, that counts statements and commands')
  .addOption(new Option('--topology <name>', 'what is started').choices(TOPOLOGIES).default('embedded'))
  .option('--url <url>', 'measure a server that runs already instead; what is sent to it is deleted again')
  .option(
    '--pid <number>',
    'with --url: its process on this machine, for CPU and memory of it and its children (Linux)',
    wholeNumber(2 ** 22),
  )
  .option(
    '--profile [folder]',
    'instead, one batch with CPU profiles of the server: where the time goes; with a folder, they are kept there',
  )
  .option('--svg <file>', 'draw the figures')
  .option('--json', 'print the figures as one line of JSON')
  .addHelpText('after', '\nThe settings of the server are taken from the environment, but for HOST, PORT and DATA_DIR.')
  .parse()
  .opts<Options>()

await inScratch(async (root) => {
  const most = Math.max(...options.images)
  const { originals, warmUp } = await originalsFor(root, most, options)
  if (options.profile !== undefined) {
    if (options.url !== undefined) throw new Error('--profile needs a server of its own: leave out --url.')
    const folder = options.profile === true ? undefined : options.profile
    console.log(await profileBatch({ root, originals, warmUp, mode: options.modes.at(-1)!, folder }))
    return
  }
  const running = options.url === undefined ? null : runningSubject(options.url, options.pid)
  const common: Omit<RoundsOptions, 'originals' | 'content'> = {
    warmUp,
    modes: options.modes,
    rounds: options.rounds,
    atOnce: options.atOnce,
    root,
    isOurs: running === null,
    counts: options.counts && running === null,
    start: async (started) => running ?? (await startSubject({ topology: options.topology, ...started })),
  }
  const sections: Section[] = []
  // A folder may hold fewer than asked for.
  for (const images of new Set(options.images.map((count) => Math.min(count, originals.length)))) {
    sections.push(await runRounds({ ...common, originals: originals.slice(0, images), content: 'distinct' }))
    if (!options.identical) continue
    const copies = Array.from({ length: images }, () => originals[0]!)
    sections.push(await runRounds({ ...common, originals: copies, content: 'identical' }))
  }
  if (options.svg !== undefined) await writeFile(options.svg, chart(sections))
  if (options.json) console.log(JSON.stringify({ topology: running ? 'running' : options.topology, rounds: options.rounds, sections }))
  else console.log([describeOriginals(originals), ...sections.map(sectionTable)].join('\n\n'))
})
