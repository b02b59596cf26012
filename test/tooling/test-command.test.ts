// `npm test` itself: what fails, is skipped or is not there never passes.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../scripts/test.ts', import.meta.url))
// The runner marks its children, and does not run within one.
const { NODE_TEST_CONTEXT: _, ...env } = process.env
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-tests-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, code: string) => writeFileSync(join(folder, name), `import { test } from 'node:test'\n${code}\n`)

function runTests() {
  const { status, stdout } = spawnSync(process.execPath, [command, join(folder, '*.mjs')], { env, encoding: 'utf8' })
  return { status, last: stdout.trimEnd().split('\n').at(-1) }
}

test('passes are counted over all files', () => {
  write('a.mjs', `test('one', () => {}); test('two', () => {})`)
  write('b.mjs', `test('three', () => {})`)
  assert.deepEqual(runTests(), { status: 0, last: '3 passed, 0 failed' })
})

for (const [what, code] of [
  ['a failure', `test('bad', () => { throw new Error('bad') })`],
  ['a skipped test', `test('bad', { skip: true }, () => {})`],
  ['a test put off', `test('bad', { todo: true }, () => {})`],
  ['a file that does not load', `throw new Error('bad')`],
] as const) {
  test(`${what} fails the run`, () => {
    write('good.mjs', `test('good', () => {})`)
    write('bad.mjs', code)
    assert.deepEqual(runTests(), { status: 1, last: '1 passed, 1 failed' })
  })
}

test('no test at all fails the run', () => {
  assert.deepEqual(runTests(), { status: 1, last: '0 passed, 0 failed' })
})

test('a signal ends the run and the files it runs', async () => {
  write('slow.mjs', `test('slow', async () => { console.log('pid', process.pid); await new Promise((r) => setTimeout(r, 60_000)) })`)
  const child = spawn(process.execPath, [command, join(folder, '*.mjs')], { env })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  while (!/pid \d+/.test(said)) await once(child.stdout, 'data')
  const pid = Number(/pid (\d+)/.exec(said)?.[1])
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number]
  assert.equal(code, 1)
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
