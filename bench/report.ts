// What the bench tells: the figures, a table of them, and how far it is.
import { SingleBar } from 'cli-progress'
import type { Mode } from './upload-client.ts'

export interface Figures {
  images: number
  seconds: number
  imagesPerSecond: number
  cpuMsPerImage: number
}

export interface ModeFigures extends Figures {
  mode: Mode
  /** Greatest sum of the resident memory of the server and its children seen, in MB of 1e6 bytes. */
  peakRssMb: number
  /** Throughput and CPU over those of the bare loop. */
  ratio: number
  cpuRatio: number
  /** Of the bench's own client; not in `cpuMsPerImage`. */
  clientCpuMsPerImage: number
}

export interface Report {
  /** The medians of its runs. */
  bare: Figures
  modes: ModeFigures[]
}

/** Rates from totals. `cpuMs` of all processes together. */
export function figures(images: number, seconds: number, cpuMs: number): Figures {
  return { images, seconds: round(seconds, 3), imagesPerSecond: round(images / seconds, 2), cpuMsPerImage: round(cpuMs / images, 2) }
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

/** The figures as a table for people. */
export function table({ bare, modes }: Report): string {
  const rows = [
    ['', 'seconds', 'images/s', '÷ bare', 'CPU ms/image', '÷ bare', 'peak RSS MB', 'client CPU ms/image'],
    ['bare loop', bare.seconds.toFixed(1), bare.imagesPerSecond.toFixed(1), '', bare.cpuMsPerImage.toFixed(1), '', '', ''],
    ...modes.map((mode) => [
      mode.mode,
      mode.seconds.toFixed(1),
      mode.imagesPerSecond.toFixed(1),
      mode.ratio.toFixed(2),
      mode.cpuMsPerImage.toFixed(1),
      mode.cpuRatio.toFixed(2),
      mode.peakRssMb.toFixed(0),
      mode.clientCpuMsPerImage.toFixed(1),
    ]),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const pad = (cell: string, column: number) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))
  return rows.map((row) => row.map(pad).join('   ').trimEnd()).join('\n')
}

/** Shows one step on stderr: a bar on a terminal, else a line when it is done. Gives what to call with how many images are done. */
export async function shown<T>(name: string, total: number, step: (progress: (done: number) => void) => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const bar = new SingleBar({ format: '{name} {bar} {value}/{total}', hideCursor: true, clearOnComplete: true })
  if (process.stderr.isTTY) bar.start(total, 0, { name: name.padEnd(24) })
  try {
    const result = await step((done) => bar.update(done))
    if (!process.stderr.isTTY) console.error(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    return result
  } finally {
    bar.stop()
  }
}
