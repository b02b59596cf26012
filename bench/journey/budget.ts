// `npm run bench:budget`: the ratchet: fails when the CPU of an image, against the bare loop in the same run, has become clearly worse.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { megapixels, wholeNumber, type Megapixels } from '../run/options.ts'
import { originalsFor } from '../run/originals.ts'
import { sectionTable } from './report.ts'
import { runRounds } from './rounds.ts'
import { REQUESTS_AT_ONCE } from './run-mode.ts'
import { inScratch } from '../run/scratch.ts'
import { startSubject } from '../run/subject.ts'
import type { Mode } from './upload-client.ts'

const FILE = join(import.meta.dirname, 'budget.json')
/** A noisy machine must not stop a merge: only what is worse by a fifth is taken for worse. */
const TOLERANCE = 1.2

/** CPU ms an image of the server and its children over those of the bare loop, by mode. */
type Budget = Partial<Record<Mode, number>>

const options = new Command('npm run bench:budget --')
  .description(
    'A short bench, of about a minute, for every merge: exit code 1 when CPU per image over that of the bare loop in the same run is more ' +
      `than ${TOLERANCE} times what bench/journey/budget.json has for it.`,
  )
  .option('--images <number>', 'photographs in each run', wholeNumber(5_000), 100)
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 3)
  .addOption(
    new Option('--megapixels <from-to>', 'sizes of the photographs').argParser(megapixels).default({ from: 0.5, to: 12 }, '0.5-12'),
  )
  .option('--write', 'write what was measured to bench/journey/budget.json; commit it')
  .option('--budget <file>', 'another file than bench/journey/budget.json', FILE)
  .parse()
  .opts<{ images: number; rounds: number; megapixels: Megapixels; write?: true; budget: string }>()

await inScratch(async (root) => {
  const budget = JSON.parse(await readFile(options.budget, 'utf8')) as Budget
  const { originals, warmUp } = await originalsFor(root, options.images, { megapixels: options.megapixels })
  const section = await runRounds({
    originals,
    warmUp,
    content: 'distinct',
    modes: Object.keys(budget) as Mode[],
    rounds: options.rounds,
    atOnce: REQUESTS_AT_ONCE,
    root,
    isOurs: true,
    counts: false,
    start: ({ root: folder, counted }) => startSubject({ topology: 'embedded', root: folder, counted }),
  })
  console.log(sectionTable(section))
  for (const { mode, cpuRatio } of section.modes) {
    const most = budget[mode]! * TOLERANCE
    const isWorse = cpuRatio! > most
    const verdict = isWorse ? 'worse than' : 'within'
    console.log(
      `\n${mode}: ${cpuRatio!.toFixed(2)} of the CPU of the bare loop, ${verdict} ${most.toFixed(2)} (${budget[mode]} and a fifth)`,
    )
    if (isWorse && !options.write) {
      console.error(`${mode} costs more CPU than it did: see where by npm run bench -- --profile --modes ${mode}`)
      process.exitCode = 1
    }
  }
  if (options.write) {
    const measured = Object.fromEntries(section.modes.map(({ mode, cpuRatio }) => [mode, cpuRatio]))
    await writeFile(options.budget, `${JSON.stringify(measured, null, 2)}\n`)
  }
})
