// The rounds of the bench: each mode against the bare loop before and after it, in an order that changes from round to round.
import { availableParallelism } from 'node:os'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Asked } from '../measure/asked.ts'
import type { Taken } from '../run/child.ts'
import type { Original } from '../run/originals.ts'
import { bareFigures, modeFigures, type Section } from './report.ts'
import { runBareLoop } from './run-bare-loop.ts'
import { runMode, type Run, type Work } from './run-mode.ts'
import type { Subject } from '../run/subject.ts'
import type { Mode } from './upload-client.ts'

export interface RoundsOptions {
  originals: Original[]
  warmUp: Original[]
  content: Section['content']
  modes: Mode[]
  rounds: number
  /** Requests under way at once. */
  atOnce: number
  root: string
  /** A server that runs already keeps what it was sent: each run sends other files, and deletes them afterwards. */
  isOurs: boolean
  /** One more run of each mode, in which statements and commands are counted. */
  counts: boolean
  start(options: { root: string; counted: boolean }): Promise<Subject>
}

/** Every run has a subject of its own, in a folder of its own. */
export async function runRounds(options: RoundsOptions): Promise<Section> {
  const { originals, warmUp, content, modes, rounds, root } = options
  const images = originals.length
  const bare: Taken[] = []
  const runs = new Map<Mode, Run[]>(modes.map((mode) => [mode, []]))
  const runBare = async (round: number) => {
    if (content === 'distinct')
      bare.push(await runBareLoop({ originals, warmUp, pipelines: availableParallelism() }, root, label(round, rounds)))
  }
  await runBare(0)
  for (let round = 1; round <= rounds; round++) {
    const turned = modes.map((_, index) => modes[(index + round - 1) % modes.length]!)
    for (const mode of turned) {
      const run = await inFolder(options, false, (subject) => runMode(`${mode} ${label(round, rounds)}`, subject, work(options, mode)))
      runs.get(mode)!.push(run)
    }
    await runBare(round)
  }
  const asked = new Map<Mode, Asked | null>()
  for (const mode of options.counts ? modes : []) {
    await inFolder(options, true, (subject) => {
      // What was asked before is the warm-up's.
      const onWindow = async () => void asked.set(mode, await subject.asked())
      return runMode(`${mode}, counted`, subject, { ...work(options, mode), onWindow })
    })
  }
  return {
    images,
    content,
    bare: bare.length === 0 ? null : bareFigures(images, bare),
    modes: modes.map((mode) => modeFigures(images, mode, runs.get(mode)!, bare, asked.get(mode) ?? null)),
  }
}

const label = (round: number, rounds: number) => `${round}/${rounds}`

let runsSoFar = 0

function work({ originals, warmUp, atOnce, isOurs }: RoundsOptions, mode: Mode): Work {
  if (isOurs) return { mode, originals, warmUp, atOnce }
  const tag = `${process.pid}-${Date.now()}-${++runsSoFar}`
  const tagged = (files: Original[]) => files.map((file) => ({ ...file, tag }))
  return { mode, originals: tagged(originals), warmUp: tagged(warmUp), atOnce, remove: true }
}

async function inFolder(options: RoundsOptions, counted: boolean, use: (subject: Subject) => Promise<Run>): Promise<Run> {
  const folder = await mkdtemp(join(options.root, 'run-'))
  await using subject = await options.start({ root: folder, counted })
  return await use(subject)
}
