// Runs test files one after the other, in their long form if rounds are named, and prints a table of the figures they tell.
import { pipeline } from 'node:stream/promises'
import { run, type TestsStream } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { StartError } from '../src/errors.ts'
import { MARK } from '../test/support/figures-mark.ts'
import { findTestPrograms } from './cluster/programs.ts'

const TIMEOUT_MS = 3 * 60 * 60_000

/** What a test tells of itself by a diagnostic that begins with `MARK`. */
export type Row = Record<string, string | number | null>
/** Its heading, and what stands in it for a row; the first two columns hold words, the others numbers. */
export type Column = [heading: string, value: (row: Row) => unknown]

export interface LongTests {
  /** Run when the command line names no files. */
  files: string[]
  columns: Column[]
  /** Rows without this key stand below the table, as notes. */
  counted: string
  /** Whether the long form runs without `--rounds`, with one round. */
  alwaysLong?: boolean
}

function readOptions({ files, alwaysLong = false }: LongTests): { rounds: string | undefined; files: string[] } {
  const { values, positionals } = parseArgs({ options: { rounds: { type: 'string' } }, allowPositionals: true })
  const rounds = values.rounds ?? (alwaysLong ? '1' : undefined)
  if (rounds !== undefined && !/^[1-9]\d{0,3}$/.test(rounds))
    throw new StartError(`--rounds is "${rounds}"; it must be a whole number from 1 to 9999.`)
  return { rounds, files: positionals.length > 0 ? positionals : files }
}

function table(columns: Column[], rows: Row[]): string {
  const lines = [columns.map(([heading]) => heading), ...rows.map((row) => columns.map(([, value]) => String(value(row) ?? '')))]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const aligned = (line: string[]) =>
    line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')
  return lines.map(aligned).join('\n')
}

async function runAll(tests: LongTests): Promise<void> {
  const { rounds, files } = readOptions(tests)
  findTestPrograms(console.error)
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  const rows: Row[] = []
  let counts = { tests: 0, passed: 0 }
  const stream: TestsStream = run({
    files,
    // Each has the machine for itself: what is slow here is the fault, not its neighbour.
    concurrency: 1,
    isolation: 'process',
    timeout: TIMEOUT_MS,
    signal: stopped.signal,
    ...(rounds !== undefined && { argv: ['--rounds', rounds] }),
  })
  stream.on('test:diagnostic', ({ message }) => {
    if (message.startsWith(MARK)) rows.push(JSON.parse(message.slice(MARK.length)) as Row)
  })
  stream.on('test:summary', (summary) => {
    if (summary.file === undefined) counts = summary.counts
  })
  await pipeline(stream, new spec(), process.stdout, { end: false })
  const counted = rows.filter((row) => row[tests.counted] !== undefined)
  console.log(table(tests.columns, counted))
  const [what, where] = tests.columns
  for (const row of rows) if (row.note !== undefined) console.log(`${String(what![1](row))}, ${String(where![1](row))}: ${row.note}`)
  const failed = counts.tests - counts.passed
  console.log(`${counts.passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 && counts.passed > 0 && !stopped.signal.aborted ? 0 : 1
}

/** Sets the exit code; a wrong option is said in a sentence. */
export async function runLongTests(tests: LongTests): Promise<void> {
  try {
    await runAll(tests)
  } catch (error) {
    console.error(error instanceof StartError ? error.message : error)
    process.exitCode = 1
  }
}
