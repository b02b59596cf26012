// Stops and starts: what is in hand is finished, what was acknowledged is there again, and nobody shares a DATA_DIR.
// Embedded alone: what is about the one process that has DATA_DIR and a port of its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import {
  allFinal,
  type Answer,
  END_OF_PARTS,
  eventually,
  getBatch,
  listImages,
  part,
  post,
  upload,
  type Uploaded,
} from '../../support/clients/client.ts'
import { audit } from '../../support/servers/data-dir.ts'
import { photograph, smallPhotograph } from '../../support/inputs/photographs.ts'
import { type Server, startServer } from '../../support/servers/server.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

async function newDataDir(t: TestContext): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  t.after(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  return dataDir
}

/** Distinct files that take a child a while: few pictures, made many by a byte at their end. */
async function slowFiles(count: number, seed = 0) {
  const pictures = await Promise.all(Array.from({ length: 4 }, (_, seed) => photograph({ seed, megapixels: 2 })))
  return Array.from({ length: count }, (_, index) => ({
    name: `slow-${index}.jpg`,
    bytes: Buffer.concat([pictures[index % 4]!, Buffer.from([seed + index])]),
  }))
}

/** An upload of two files whose second half is sent when `goOn` resolves. */
function halfSent(server: { url: string }, goOn: Promise<void>, seed: number): Promise<Answer<Uploaded>> {
  async function* body() {
    yield part('images', 'early.jpg', await smallPhotograph({ seed }))
    const late = part('images', 'late.jpg', await smallPhotograph({ seed: seed + 1 }))
    yield late.subarray(0, 1_000)
    await goOn
    yield Buffer.concat([late.subarray(1_000), END_OF_PARTS])
  }
  return post(server, { path: '/api/async/upload', body: body() })
}

test('what the disk had not written when the power went is developed again, from its original', async (t) => {
  const dataDir = await newDataDir(t)
  const first = await startServer({ dataDir })
  const files = await Promise.all([1, 2, 3, 4].map(async (seed) => ({ name: `${seed}.jpg`, bytes: await smallPhotograph({ seed }) })))
  await upload(first, 'batch', files)
  const before = await allFinal(first)
  await first.kill('SIGKILL')
  // As a file system leaves what it never wrote: nothing, an empty file, or the beginning.
  const folder = join(dataDir, 'renditions')
  const paths = (await readdir(folder, { recursive: true })).filter((path) => /\.\w+$/.test(path)).map((path) => join(folder, path))
  const [images, thumbnails] = [paths.filter((path) => !path.includes('thumbnail')), paths.filter((path) => path.includes('thumbnail'))]
  await rm(images[0]!)
  await truncate(images[1]!)
  await truncate(
    thumbnails.find((path) => path.startsWith(images[2]!.slice(0, -7)))!,
    100,
  )
  const second = await startServer({ dataDir })
  t.after(() => second.stop())
  const after = await allFinal(second)
  const finished = (list: typeof after) => new Map(list.map(({ id, finished_at }) => [id, finished_at]))
  const again = after.filter(({ id, finished_at }) => finished(before).get(id) !== finished_at)
  assert.equal(again.length, 3)
  for (const { status, image, thumbnail } of after) {
    assert.equal(status, 'completed')
    for (const url of [image, thumbnail]) {
      const answer = await fetch(second.url + url)
      assert.equal(answer.status, 200)
      assert.equal((await answer.arrayBuffer()).byteLength, Number(answer.headers.get('content-length')))
    }
  }
})

onEachTopology({ WORKER_CONCURRENCY: '1' }, (server) => {
  test('SIGTERM: what is arriving and being developed is finished, nothing is lost', async () => {
    const files = await slowFiles(30)
    assert.equal((await upload(server, 'batch', files)).status, 202)
    const rest = Promise.withResolvers<void>()
    const arriving = halfSent(server, rest.promise, 500)
    await eventually('its first file is recorded', async () => (await listImages(server)).length === 31)

    const stoppedAt = performance.now()
    const stopped = server.shutDown()
    await wait(300)
    // Refused by the server, or by nobody listening any more; in a cluster the other server may take it.
    const { status } = await upload(server, 'sync', [{ name: 'new.jpg', bytes: files[0]!.bytes }]).catch(() => ({ status: 503 }))
    const isTaken = server.topology === 'cluster' && status < 300
    assert.ok(isTaken || status === 503, `status ${status}`)
    rest.resolve()
    const answer = await arriving
    assert.equal(answer.status, 202, answer.text)
    await stopped
    // Two API servers and two workers, or one for all.
    assert.ok(performance.now() - stoppedAt < (server.topology === 'cluster' ? 40_000 : 10_000))

    await server.startAgain()
    const images = await allFinal(server)
    const names = [...files.map(({ name }) => name), 'early.jpg', 'late.jpg', ...(isTaken ? ['new.jpg'] : [])]
    assert.deepEqual(images.map(({ name }) => name).sort(), names.sort())
    assert.ok(images.every((image) => image.status === 'completed'))
    const { temporary, rowsWithoutBytes } = await audit(server)
    assert.deepEqual([temporary, rowsWithoutBytes], [[], []])
  })

  test('a batch counts on after a restart', async () => {
    const { body } = await upload(server, 'batch', await slowFiles(10, 100))
    await server.shutDown()
    await server.startAgain()
    await allFinal(server)
    const batch = await getBatch(server, body.job_id)
    assert.equal(batch.completed, 10)
    assert.ok(batch.finished_at)
  })
})

async function nothingLost(dataDir: string, names: string[]) {
  await using again = await startServer({ dataDir })
  const images = await allFinal(again)
  assert.deepEqual(images.map(({ name }) => name).sort(), names.toSorted())
  assert.deepEqual(
    images.filter(({ status }) => status !== 'completed'),
    [],
  )
  await again.stop()
  const { temporary, rowsWithoutBytes } = await audit({ dataDir })
  assert.deepEqual([temporary, rowsWithoutBytes], [[], []])
}

test('SIGTERM during a body that never ends: cut off in time, and nothing of it stays', async (t) => {
  const dataDir = await newDataDir(t)
  await using server = await startServer({ dataDir })
  const rest = Promise.withResolvers<void>()
  const refused = assert.rejects(halfSent(server, rest.promise, 510))
  await eventually('its first file is recorded', async () => (await listImages(server)).length === 1)
  const stoppedAt = performance.now()
  assert.equal(await server.stop(), 0)
  assert.ok(performance.now() - stoppedAt < 11_500)
  await refused
  rest.resolve()
  await nothingLost(dataDir, [])
})

test('a second SIGTERM stops at once, and still nothing is lost', async (t) => {
  const dataDir = await newDataDir(t)
  await using server = await startServer({ dataDir, env: { WORKER_CONCURRENCY: '1' } })
  const files = await slowFiles(30)
  assert.equal((await upload(server, 'batch', files)).status, 202)
  const rest = Promise.withResolvers<void>()
  const refused = assert.rejects(halfSent(server, rest.promise, 520))
  await eventually('its first file is recorded', async () => (await listImages(server)).length === 31)
  const stopped = server.stop()
  await wait(400)
  const secondAt = performance.now()
  process.kill(server.pid, 'SIGTERM')
  assert.equal(await stopped, 128 + 15)
  assert.ok(performance.now() - secondAt < 1_500)
  await refused
  rest.resolve()
  await nothingLost(
    dataDir,
    files.map(({ name }) => name),
  )
})

/** What a start that fails says, which must be one sentence. */
async function refusal(starting: Promise<Server>): Promise<string> {
  const error = await starting.then(
    async (server) => {
      await server.stop()
      throw new Error('It started.')
    },
    (failed: Error) => failed,
  )
  const [first, ...said] = error.message.trim().split('\n')
  assert.match(first!, /^The server ended with 1 /)
  assert.equal(said.length, 1, error.message)
  return said[0]!
}

test('a second server on the same DATA_DIR is refused, a killed one is no obstacle', async (t) => {
  const dataDir = await newDataDir(t)
  const env = { LOG_LEVEL: 'warn' }
  await using first = await startServer({ dataDir, env })
  const sentence = await refusal(startServer({ dataDir, env }))
  assert.match(sentence, new RegExp(`\\bPID ${first.pid}\\b`))
  assert.ok(sentence.includes(dataDir), sentence)
  assert.equal((await upload(first, 'sync', [{ name: 'a.jpg', bytes: await smallPhotograph({ seed: 1 }) }])).status, 200)

  await first.kill('SIGKILL')
  await using second = await startServer({ dataDir, env })
  assert.equal((await listImages(second)).length, 1)
})

test('a port that is taken is one sentence', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const sentence = await refusal(startServer({ env: { PORT: String(port), LOG_LEVEL: 'warn' } }))
  assert.match(sentence, new RegExp(`\\bPORT ${port}\\b`))
})
