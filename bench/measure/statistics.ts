// How the benches sum up what they measured.

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** NaN without values. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

/** Milliseconds. */
export interface Percentiles {
  p50: number
  p99: number
}

/** By nearest rank: each is a time that was measured. Null without times. */
export function percentiles(times: number[]): Percentiles | null {
  if (times.length === 0) return null
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number) => round(sorted[Math.ceil(part * sorted.length) - 1]!, 1)
  return { p50: at(0.5), p99: at(0.99) }
}

/** The median of what several runs measured; null where none did. */
export function medianOf<Run>(runs: Run[], of: (run: Run) => number | null): number | null {
  const values = runs.map(of).filter((value) => value !== null)
  return values.length === 0 ? null : median(values)
}

/** Of each percentile the median over several runs. */
export function medianPercentiles<Run>(runs: Run[], of: (run: Run) => Percentiles | null): Percentiles | null {
  const [p50, p99] = [medianOf(runs, (run) => of(run)?.p50 ?? null), medianOf(runs, (run) => of(run)?.p99 ?? null)]
  return p50 === null || p99 === null ? null : { p50: round(p50, 1), p99: round(p99, 1) }
}
