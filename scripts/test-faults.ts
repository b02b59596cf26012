// `npm run test:faults [-- --rounds N] [FILE…]`: every fault, or some, one after the other, and a table of what it left. With rounds, the long form.
import { globSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { run, type TestsStream } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { StartError } from '../src/errors.ts'
import { MARK } from '../test/support/figures-mark.ts'
import { findTestPrograms } from './cluster/programs.ts'

/** The faults that have files of their own elsewhere: killed servers, lost engines, frozen workers, a bad S3. */
const OTHERS = [
  'test/journeys/kill.test.ts',
  'test/cluster/faults.test.ts',
  'test/cluster/orphans.test.ts',
  'test/cluster/redis-away.test.ts',
  'test/cluster/zombie.test.ts',
  'test/store/s3-faults.test.ts',
]
const TIMEOUT_MS = 3 * 60 * 60_000

function readOptions(): { rounds: string | undefined; files: string[] } {
  const { values, positionals } = parseArgs({ options: { rounds: { type: 'string' } }, allowPositionals: true })
  if (values.rounds !== undefined && !/^[1-9]\d{0,3}$/.test(values.rounds))
    throw new StartError(`--rounds is "${values.rounds}"; it must be a whole number from 1 to 9999.`)
  return { rounds: values.rounds, files: positionals.length > 0 ? positionals : [...globSync('test/faults/*.test.ts').sort(), ...OTHERS] }
}

type Row = Record<string, string | number | null>

const COLUMNS: [heading: string, value: (row: Row) => unknown][] = [
  ['fault', ({ fault }) => fault],
  ['topology', ({ topology }) => topology],
  ['sent', ({ sent }) => sent],
  ['acknowledged', ({ acknowledged }) => acknowledged],
  ['completed', ({ completed }) => completed],
  ['failed', ({ failed }) => failed],
  ['lost', ({ lost }) => lost],
  ['duplicated', ({ duplicated }) => duplicated],
  ['rows - bytes', ({ rowsWithoutBytes }) => rowsWithoutBytes],
  ['bytes - rows', ({ bytesWithoutRows }) => bytesWithoutRows],
  ['stuck', ({ stuck }) => stuck],
  ['temporary', ({ temporary }) => temporary],
  ['descriptors', ({ descriptorsBefore: before, descriptorsAfter: after }) => (before === null ? null : `${before} -> ${after}`)],
]

function table(rows: Row[]): string {
  const lines = [COLUMNS.map(([heading]) => heading), ...rows.map((row) => COLUMNS.map(([, value]) => String(value(row) ?? '')))]
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const aligned = (line: string[]) =>
    line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')
  return lines.map(aligned).join('\n')
}

async function main(): Promise<void> {
  const { rounds, files } = readOptions()
  findTestPrograms(console.error)
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  const rows: Row[] = []
  let counts = { tests: 0, passed: 0 }
  const tests: TestsStream = run({
    files,
    // Each has the machine for itself: what is slow here is the fault, not its neighbour.
    concurrency: 1,
    isolation: 'process',
    timeout: TIMEOUT_MS,
    signal: stopped.signal,
    ...(rounds !== undefined && { argv: ['--rounds', rounds] }),
  })
  tests.on('test:diagnostic', ({ message }) => {
    if (message.startsWith(MARK)) rows.push(JSON.parse(message.slice(MARK.length)) as Row)
  })
  tests.on('test:summary', (summary) => {
    if (summary.file === undefined) counts = summary.counts
  })
  await pipeline(tests, new spec(), process.stdout, { end: false })
  console.log(table(rows.filter(({ sent }) => sent !== undefined)))
  for (const { fault, topology, note } of rows) if (note !== undefined) console.log(`${fault}, ${topology}: ${note}`)
  const failed = counts.tests - counts.passed
  console.log(`${counts.passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && counts.passed > 0 && !stopped.signal.aborted ? 0 : 1
}

try {
  await main()
} catch (error) {
  console.error(error instanceof StartError ? error.message : error)
  process.exitCode = 1
}
