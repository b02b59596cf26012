// The hard end: the whole process group is killed at random moments while images go in, again and again; nothing acknowledged is lost.
// Embedded alone: it is about one process that is everything. More rounds than by default: `npm run test:kill -- --rounds 20`.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  allFinal,
  ask,
  END_OF_PARTS,
  ENDPOINTS,
  eventually,
  listImages,
  part,
  post,
  type SentFile,
  upload,
} from '../../support/clients/client.ts'
import { audit, query } from '../../support/servers/data-dir.ts'
import { photograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } }, strict: false })
const ROUNDS = Number(values.rounds)
const IMAGES_A_ROUND = 200
const BATCH_FILES = 20
/** Between two files of a batch: it is recorded in several transactions then, so that a kill finds it half recorded. */
const BATCH_PAUSE_MS = 40
const SINGLE_SENDERS = 5
/** A round is killed at some moment within this time: 200 images go in and are developed in about as much. */
const LATEST_KILL_MS = 4_000
const CLI = join(import.meta.dirname, '../../../src/cli.ts')

/** What the client knows: every upload it sent, and the ids it was told. */
interface Ledger {
  sent: string[][]
  acknowledged: Map<string, string>
}

/** Sends until all is sent or the server is gone: half of the files one by one, half in batches that take their time. */
async function sendAll(server: Server, files: SentFile[], ledger: Ledger): Promise<void> {
  const half = files.length / 2
  const singles = files.slice(0, half).map((file) => [file])
  const batches = Array.from({ length: half / BATCH_FILES }, (_, index) => files.slice(half + index * BATCH_FILES).slice(0, BATCH_FILES))
  async function* slowly(batch: SentFile[]) {
    for (const { name, bytes } of batch) {
      yield part('images', name, bytes)
      await wait(BATCH_PAUSE_MS)
    }
    yield END_OF_PARTS
  }
  async function sendOne(sent: SentFile[]) {
    ledger.sent.push(sent.map(({ name }) => name))
    const answer = sent.length === 1 ? upload(server, 'sync', sent) : post(server, { path: ENDPOINTS.batch.path, body: slowly(sent) })
    const { status, body, text } = await answer
    assert.ok(status === 200 || status === 202, text)
    for (const image of body.images ?? [body.image]) ledger.acknowledged.set(image.id, image.name)
  }
  async function send(uploads: SentFile[][]) {
    try {
      for (let next = uploads.shift(); next; next = uploads.shift()) await sendOne(next)
    } catch (error) {
      // A connection that breaks is the end of the server: what it was sent last was not acknowledged.
      if (error instanceof assert.AssertionError) throw error
      uploads.length = 0
    }
  }
  await Promise.all([send(batches), ...Array.from({ length: SINGLE_SENDERS }, () => send(singles))])
}

/** A start that is killed before it is done: what puts things right must be as hard to break as what it puts right. */
async function killedWhileStarting(dataDir: string): Promise<void> {
  const child = spawn(process.execPath, [CLI, 'serve'], {
    cwd: tmpdir(),
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir },
  })
  const ended = once(child, 'exit')
  await wait(300 + Math.random() * 1_200)
  process.kill(-child.pid!, 'SIGKILL')
  await ended
}

test(`killed ${ROUNDS} times while images go in: nothing acknowledged is lost, nothing is there twice, nothing is left over`, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  t.after(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const env = { BLOB_GRACE_SECONDS: '0', LOG_LEVEL: 'warn' }
  const ledger: Ledger = { sent: [], acknowledged: new Map() }
  const killedAfterMs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const photographs = await smallPhotographs(IMAGES_A_ROUND, { seed: round * IMAGES_A_ROUND })
    const files = photographs.map((bytes, index) => ({ name: `${round}-${index}.jpg`, bytes }))
    const server = await startServer({ dataDir, env })
    try {
      const sending = sendAll(server, files, ledger)
      const afterMs = Math.round(Math.random() * LATEST_KILL_MS)
      killedAfterMs.push(afterMs)
      await Promise.all([wait(afterMs).then(() => server.kill('SIGKILL')), sending])
    } finally {
      await server.stop()
    }
    if (round % 2 === 1) await killedWhileStarting(dataDir)
  }

  const last = await startServer({ dataDir, env })
  try {
    const listed = await allFinal(last, 120_000)
    const failed = listed.filter(({ status, error, code }) => status !== 'completed' && !(status === 'error' && error && code))
    assert.deepEqual(failed, [], 'every image is completed, or an error with its reason')
    await eventually(
      'what nobody uses is swept',
      async () => (await query({ dataDir }, 'select * from originals where released_at is not null')).length === 0,
      30_000,
    )
  } finally {
    assert.equal(await last.stop(), 0)
  }

  const { images, temporary, rowsWithoutBytes, bytesWithoutRows } = await audit({ dataDir })
  const names = new Map<string, number>()
  for (const { name } of images) names.set(name, (names.get(name) ?? 0) + 1)
  const byId = new Map(images.map((image) => [image.id, image.name]))
  const figures = {
    rounds: ROUNDS,
    sent: ledger.sent.flat().length,
    acknowledged: ledger.acknowledged.size,
    completed: images.filter(({ status }) => status === 'completed').length,
    failed: images.filter(({ status }) => status === 'error').length,
    lost: [...ledger.acknowledged].filter(([id, name]) => byId.get(id) !== name).length,
    // Every file was sent once.
    duplicated: [...names.values()].filter((count) => count > 1).length,
    temporary: temporary.length,
    rowsWithoutBytes: rowsWithoutBytes.length,
    bytesWithoutRows: bytesWithoutRows.length,
    // An upload is there as a whole or not at all.
    halfUploads: ledger.sent.filter((sent) => new Set(sent.map((name) => names.has(name))).size > 1).length,
    unfinishedBatches: (await query({ dataDir }, 'select id from batches where received_at is null')).length,
  }
  t.diagnostic(`killed after ${killedAfterMs.join(', ')} ms`)
  t.diagnostic(
    Object.entries(figures)
      .map(([what, count]) => `${what} ${count}`)
      .join(', '),
  )
  const { lost, duplicated, rowsWithoutBytes: without, bytesWithoutRows: orphans, halfUploads, unfinishedBatches } = figures
  assert.deepEqual(
    { lost, duplicated, temporary, without, orphans, halfUploads, unfinishedBatches },
    { lost: 0, duplicated: 0, temporary: [], without: 0, orphans: 0, halfUploads: 0, unfinishedBatches: 0 },
  )
  assert.ok(figures.acknowledged > 0 && figures.acknowledged < ROUNDS * IMAGES_A_ROUND, 'some were cut off, not all')
})

test('a child killed every second while 200 images go in: all complete', async (t) => {
  await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  // Quick ones, and one after the other: a kill finds something in hand.
  const files = (await smallPhotographs(200)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
  const sent = new AbortController()
  let killed = 0
  async function killEverySecond() {
    let completedThen = -Infinity
    for (; !sent.signal.aborted; await wait(1_000)) {
      const completed = (await ask<{ images: number }>(server, '/api/images/count?status=completed')).body.images
      // What was in hand is tried first. Once so many more are done it is among them, and is not hit three times on a slow machine.
      if (completed < completedThen + 10) continue
      const [, ...children] = server.pids()
      const pid = children[killed % Math.max(1, children.length)]
      if (pid === undefined) continue
      process.kill(pid, 'SIGKILL')
      completedThen = completed
      killed++
    }
  }
  const killing = killEverySecond()
  try {
    for (const file of files) {
      const { status, text } = await upload(server, 'async', [file])
      assert.equal(status, 202, text)
      await wait(25)
    }
    const images = await allFinal(server)
    assert.equal(images.length, 200)
    assert.deepEqual(
      images.filter(({ status }) => status !== 'completed'),
      [],
    )
  } finally {
    sent.abort()
    await killing
  }
  t.diagnostic(`${killed} children killed`)
  assert.ok(killed >= 2)
})

test('children of a server that was killed are gone within 3 s', async () => {
  await using server = await startServer()
  const files = await Promise.all(
    Array.from({ length: 6 }, async (_, seed) => ({ name: `${seed}.jpg`, bytes: await photograph({ seed, megapixels: 6 }) })),
  )
  await upload(server, 'batch', files)
  assert.equal((await listImages(server)).length, 6)
  const children = server.pids().slice(1)
  assert.ok(children.length > 0)
  process.kill(server.pid, 'SIGKILL')
  await eventually('its children are gone', async () => server.pids().length === 0, 3_000)
})
