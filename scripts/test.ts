// `npm test [FILE or PATTERN…]`: runs the tests, each file in a process of its own, and ends with `N passed, N failed`.
import { globSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run, type TestsStream } from 'node:test'
import { spec } from 'node:test/reporters'
import { findTestPrograms } from './cluster/programs.ts'

// Tests that kill servers run for minutes; what takes longer than this hangs.
const TIMEOUT_MS = 20 * 60_000
// On two cores: files wait for a good part of their time, for children, time-outs and disks.
const FILES_AT_ONCE = 3
const SLOWEST_SHOWN = 15

const patterns = process.argv.slice(2)
const found = globSync(patterns.length > 0 ? patterns : ['test/**/*.test.ts'])
// The largest first: it is likely to take longest, and is not to be left running alone at the end. And what lies in one folder wants the
// same of the machine, cores or patience: in no order, files that wait run beside files that compute.
const bytes = new Map(found.map((file) => [file, statSync(file).size]))
const files = found.sort((a, b) => bytes.get(b)! - bytes.get(a)! || (a < b ? -1 : 1))

// The tests of the cluster need Debian's packages. Where they can't be had, those tests fail, the others still say what they have to say.
if (patterns.length === 0) {
  try {
    findTestPrograms(console.error)
  } catch (error) {
    console.error((error as Error).message)
  }
}

// Ctrl-C reaches the files too, which then end what they started; the run waits for them.
const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())

let counts = { tests: 0, passed: 0 }
const seconds = new Map<string, number>()
if (files.length > 0) {
  const tests: TestsStream = run({ files, concurrency: FILES_AT_ONCE, isolation: 'process', timeout: TIMEOUT_MS, signal: stopped.signal })
  tests.on('test:summary', (summary) => {
    // Each file has its summary; the one that names no file is of them all.
    if (summary.file === undefined) counts = summary.counts
    else seconds.set(relative(process.cwd(), summary.file), Math.round(summary.duration_ms / 1000))
  })
  await pipeline(tests, new spec(), process.stdout, { end: false })
}

const slowest = [...seconds].sort((a, b) => b[1] - a[1]).slice(0, SLOWEST_SHOWN)
if (slowest.length > 1) console.log(`slowest files: ${slowest.map(([file, took]) => `${file} ${took} s`).join(', ')}`)

// A test that is skipped or put off shows nothing: what did not pass, failed.
const failed = counts.tests - counts.passed
console.log(`${counts.passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && counts.passed > 0 && !stopped.signal.aborted ? 0 : 1
