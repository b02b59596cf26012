// What the bench tells: the figures of every mode, from its rounds, and tables of them.
import type { Taken } from '../run/child.ts'
import { cell, columns } from '../run/columns.ts'
import type { Asked } from '../measure/asked.ts'
import type { Run } from './run-mode.ts'
import { median, medianOf, medianPercentiles, round, type Percentiles } from '../measure/statistics.ts'
import type { Mode } from './upload-client.ts'

export interface Figures {
  images: number
  seconds: number
  imagesPerSecond: number
  cpuMsPerImage: number
}

/** Each figure is the median of the rounds, but for the peak of memory, which is the greatest. */
export interface ModeFigures extends Omit<Figures, 'cpuMsPerImage'> {
  mode: Mode
  /** Of our processes, children too; null where it is not known. */
  cpuMsPerImage: number | null
  /** Of the engines of a cluster. */
  enginesCpuMsPerImage: number | null
  /** Of the bench's own client; not in `cpuMsPerImage`. */
  clientCpuMsPerImage: number
  /** Throughput and CPU over those of the bare loop before and after, in the same round; null without a bare loop. */
  ratio: number | null
  cpuRatio: number | null
  /** Greatest sum of the resident memory of the server and its children seen, in MB of 1e6 bytes. */
  peakRssMb: number | null
  acknowledgedMs: Percentiles | null
  completedMs: Percentiles | null
  eventMs: Percentiles | null
  answeredBefore: number
  /** Of a run of its own that is in none of the other figures; null if it was not counted. */
  asked: Asked | null
}

/** So many images, each another, or each the same. */
export interface Section {
  images: number
  content: 'distinct' | 'identical'
  /** Null for identical ones: they are developed once, the bare loop would develop each. */
  bare: Figures | null
  modes: ModeFigures[]
}

/** Rates from totals. `cpuMs` of all processes together. */
function figures(images: number, seconds: number, cpuMs: number): Figures {
  return { images, seconds: round(seconds, 3), imagesPerSecond: round(images / seconds, 2), cpuMsPerImage: round(cpuMs / images, 2) }
}

export const bareFigures = (images: number, runs: Taken[]) =>
  figures(images, median(runs.map((run) => run.seconds)), median(runs.map((run) => run.cpuMs)))

/** `runs` of one mode, a round each; `bare` before the first round and after each, or none. */
export function modeFigures(images: number, mode: Mode, runs: Run[], bare: Taken[], asked: Asked | null): ModeFigures {
  const around = runs.map((run, index) => ({ run, before: bare[index], after: bare[index + 1] }))
  const ratio = (of: 'seconds' | 'cpuMs') =>
    medianOf(around, ({ run, before, after }) => {
      const own = run[of]
      return before && after && own !== null ? own / ((before[of] + after[of]) / 2) : null
    })
  const [secondsRatio, cpuRatio] = [ratio('seconds'), ratio('cpuMs')]
  const seconds = median(runs.map((run) => run.seconds))
  const each = (of: 'cpuMs' | 'enginesCpuMs' | 'clientCpuMs') =>
    rounded(
      medianOf(runs, (run) => run[of]),
      (sum) => sum / images,
      2,
    )
  const peaks = runs.map((run) => run.peakRssMb).filter((peak) => peak !== null)
  return {
    mode,
    images,
    seconds: round(seconds, 3),
    imagesPerSecond: round(images / seconds, 2),
    cpuMsPerImage: each('cpuMs'),
    enginesCpuMsPerImage: each('enginesCpuMs'),
    clientCpuMsPerImage: each('clientCpuMs')!,
    ratio: rounded(secondsRatio, (of) => 1 / of, 3),
    cpuRatio: rounded(cpuRatio, (of) => of, 3),
    peakRssMb: peaks.length === 0 ? null : round(Math.max(...peaks), 1),
    acknowledgedMs: medianPercentiles(runs, (run) => run.acknowledgedMs),
    completedMs: medianPercentiles(runs, (run) => run.completedMs),
    eventMs: medianPercentiles(runs, (run) => run.eventMs),
    answeredBefore: Math.max(...runs.map((run) => run.answeredBefore)),
    asked,
  }
}

const rounded = (value: number | null, of: (value: number) => number, digits: number) => (value === null ? null : round(of(value), digits))

const pair = (times: Percentiles | null) => (times === null ? '' : `${times.p50.toFixed(0)} / ${times.p99.toFixed(0)}`)

/** A section as tables for people. */
export function sectionTable({ images, content, bare, modes }: Section): string {
  const head = ['', 'seconds', 'images/s', '÷ bare', 'CPU ms/image', '÷ bare', 'engines CPU', 'client CPU', 'peak RSS MB']
  const times = ['acknowledged ms', 'completed ms', 'event ms']
  const asked = ['DB writes', 'DB statements', 'queue commands']
  const bareRow = bare && [
    'bare loop',
    cell(bare.seconds, 1),
    cell(bare.imagesPerSecond, 1),
    '',
    cell(bare.cpuMsPerImage, 1),
    '',
    '',
    '',
    '',
  ]
  const rows = modes.map((mode) => [
    mode.mode,
    cell(mode.seconds, 1),
    cell(mode.imagesPerSecond, 1),
    cell(mode.ratio, 2),
    cell(mode.cpuMsPerImage, 1),
    cell(mode.cpuRatio, 2),
    cell(mode.enginesCpuMsPerImage, 1),
    cell(mode.clientCpuMsPerImage, 1),
    cell(mode.peakRssMb),
  ])
  const rest = modes.map((mode) => [
    mode.mode,
    ...[mode.acknowledgedMs, mode.completedMs, mode.eventMs].map(pair),
    ...[mode.asked?.dbWrites, mode.asked?.dbRoundTrips, mode.asked?.queueOps].map((count) => cell(count)),
  ])
  const early = modes.filter(({ answeredBefore }) => answeredBefore > 0)
  return [
    `${images} ${content} images`,
    withoutEmpty([head, ...(bareRow ? [bareRow] : []), ...rows]),
    withoutEmpty([['p50 / p99', ...times, ...asked], ...rest]),
    ...early.map(({ mode, answeredBefore }) => `${mode}: ${answeredBefore} were answered before they were done`),
  ].join('\n\n')
}

/** Columns in which no row has anything are left out. */
function withoutEmpty(rows: string[][]): string {
  const used = rows[0]!.map((_, column) => column === 0 || rows.slice(1).some((row) => row[column] !== ''))
  return columns(rows.map((row) => row.filter((_, column) => used[column])))
}
