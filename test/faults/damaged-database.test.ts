// A database file that is damaged, or none at all: every command says in one sentence what to do, and a server that runs answers with a code.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import type { ApiError } from '../../src/api/errors.ts'
import { allFinal, ask, eventually, upload } from '../support/clients/client.ts'
import { calotype } from '../support/servers/command.ts'
import { filesIn } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { refusedStart, startServer } from '../support/servers/server.ts'
import { tellFigures } from './run/figures.ts'

const IMAGES = 4
const PAGE_BYTES = 4_096
const DAMAGED =
  /^The database \S+calotype\.sqlite is damaged \([^)]+\)\. Delete nothing in DATA_DIR: .*`calotype restore`.*`calotype doctor`/
const UNUSABLE = /^The database \S+calotype\.sqlite can't be used \([^)]+\)\. It has to be a file that this user may read and write/
const EMPTY = /^The database has no tables: .*`calotype restore`\.\n$/

/** Overwrites the beginning of every page but the first, which has the header and the schema. */
function scrawl(file: string) {
  const descriptor = openSync(file, 'r+')
  const { size } = statSync(file)
  for (let at = PAGE_BYTES; at < size; at += PAGE_BYTES) writeSync(descriptor, Buffer.alloc(200, 0xa5), 0, 200, at)
  closeSync(descriptor)
}

const folder = mkdtempSync(join(tmpdir(), 'calotype-damaged-'))
const whole = join(folder, 'whole')
after(() => rmSync(folder, { recursive: true, force: true }))
before(async () => {
  chmodSync(folder, 0o755)
  await using server = await startServer({ dataDir: whole, env: { LOG_LEVEL: 'error' } })
  const files = (await smallPhotographs(IMAGES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
  assert.equal((await upload(server, 'batch', files)).status, 202)
  await allFinal(server)
})

let copies = 0
/** A DATA_DIR like the whole one, with its database damaged. */
function damaged(damage: (file: string) => void): string {
  const dataDir = join(folder, String(copies++))
  cpSync(whole, dataDir, { recursive: true })
  damage(join(dataDir, 'calotype.sqlite'))
  return dataDir
}

/** Ends with 1 and one sentence on stderr, and leaves every original where it is. */
async function assertSays(dataDir: string, args: string[], sentence: RegExp) {
  const { code, stdout, stderr } = await calotype(args, { DATA_DIR: dataDir, HOST: '127.0.0.1', PORT: '0' })
  assert.deepEqual([code, stdout], [1, ''], stderr)
  assert.match(stderr, sentence)
  assert.equal(stderr.trim().split('\n').length, 1, stderr)
  assert.equal((await filesIn(dataDir, 'originals')).length, IMAGES)
}

const CASES: [what: string, damage: (file: string) => void, sentence: RegExp][] = [
  ['its header is overwritten', (file) => writeFileSync(file, Buffer.alloc(100, 'x'), { flag: 'r+' }), DAMAGED],
  [
    'its schema is overwritten',
    (file) => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, 100), Buffer.alloc(200, 0xa5)]), { flag: 'r+' }),
    DAMAGED,
  ],
  ['it is cut in half', (file) => truncateSync(file, statSync(file).size >> 1), DAMAGED],
  ['it is cut to some bytes', (file) => truncateSync(file, 50), DAMAGED],
  ['it is a text', (file) => writeFileSync(file, 'Not a database.\n'.repeat(1_000)), DAMAGED],
  ['its pages are overwritten', scrawl, DAMAGED],
  ['it is a folder', (file) => (rmSync(file), mkdirSync(file)), UNUSABLE],
]

for (const [what, damage, sentence] of CASES) {
  test(`${what}: a start and the doctor say what to do`, async (t) => {
    for (const command of ['serve', 'doctor']) await assertSays(damaged(damage), [command], sentence)
    tellFigures(t, 'damaged database', 'embedded', { note: what })
  })
}

test('every other command says what to do about a damaged database', async () => {
  for (const args of [
    ['backup', join(folder, 'backup')],
    ['images', 'delete', '--all', '--yes'],
    ['key', 'list'],
    ['migrate'],
    ['doctor', '--repair', '--json'],
  ])
    await assertSays(damaged(scrawl), args, DAMAGED)
})

test('the doctor and a backup say that a database without tables knows nothing', async () => {
  for (const args of [['doctor'], ['backup', join(folder, 'backup-of-nothing')]]) {
    await assertSays(
      damaged((file) => truncateSync(file, 0)),
      args,
      EMPTY,
    )
  }
})

test('a database that may only be read is said at the start', async (t) => {
  const isRoot = process.getuid?.() === 0
  const dataDir = damaged((file) => chmodSync(file, 0o444))
  if (isRoot) spawnSync('chown', ['-R', '65534:65534', dataDir])
  const through = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'] : []
  const said = await refusedStart({ dataDir, through })
  assert.equal(said.length, 1, said.join('\n'))
  assert.match(said[0]!, UNUSABLE)
  tellFigures(t, 'damaged database', 'embedded', { note: 'read-only' })
})

test(
  'a database that is damaged while a server runs is a code for clients, and a line with its remedies in the log',
  { timeout: 60_000 },
  async (t) => {
    const dataDir = damaged(() => undefined)
    await using server = await startServer({ dataDir, env: { LOG_LEVEL: 'error' } })
    const file = join(dataDir, 'calotype.sqlite')
    const beside = new DatabaseSync(file)
    beside.exec('pragma wal_checkpoint(truncate)')
    scrawl(file)
    // What the server has in memory it reads again after a change by somebody else.
    beside.close()
    const answer = await eventually(
      'it is noticed',
      async () => {
        const { status, body, text } = await ask<ApiError>(server, '/api/images')
        return status !== 200 && { status, code: body.code, text }
      },
      30_000,
    )
    assert.deepEqual([answer.status, answer.code], [500, 'database_damaged'], answer.text)
    await server.stop()
    const told = server
      .output()
      .split('\n')
      .filter((line) => line.includes('`calotype restore`'))
    assert.ok(told.length > 0, server.output())
    assert.doesNotMatch(server.output(), /sqlite-dialect|ERR_SQLITE_ERROR/)
    assert.equal((await filesIn(dataDir, 'originals')).length, IMAGES)
    tellFigures(t, 'damaged database', 'embedded', { note: 'while it runs' })
  },
)
