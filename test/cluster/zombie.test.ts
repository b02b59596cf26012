// Workers that freeze, stop, die or join while a batch is developed: leases decide who has what, and the late one changes nothing.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { allFinal, eventually, upload, type SentFile } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { photograph, smallPhotographs } from '../support/inputs/photographs.ts'
import { query } from './ledger.ts'
import { developedBy, heldBy, holder, statsOf, works } from './workers.ts'

/** How many hints a worker is handed at once. */
const CHUNK = 16

let cluster: TestCluster
before(async () => {
  cluster = await startCluster({ env: { LOG_LEVEL: 'error', WORKER_CONCURRENCY: '1' } })
})
after(async () => {
  await cluster.stop()
})

let sent = 0
async function send(photographs: Buffer[]): Promise<void> {
  const files: SentFile[] = photographs.map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
  const { status, text } = await upload(cluster, 'batch', files)
  assert.equal(status, 202, text)
  sent += files.length
}
let seed = 0
const pictures = new Map<number, Promise<Buffer>>()
/** Of one picture a size, each with bytes of its own behind it: what they cost a worker is what they are for. */
async function make(count: number, megapixels = 1.5): Promise<Buffer[]> {
  if (!pictures.has(megapixels)) pictures.set(megapixels, photograph({ seed: 0, megapixels }))
  const picture = await pictures.get(megapixels)!
  return Array.from({ length: count }, () => Buffer.concat([picture, Buffer.from(`photograph ${seed++}`)]))
}

/** Sends a chunk to two idle workers, and then what is to wait behind it; gives the worker that has taken the chunk, and how it calls itself. */
async function sendChunk(behind = 0) {
  // Large ones: a worker that has just taken them is far from done when it is found.
  const [chunk, others] = [await make(CHUNK, 4), await make(behind)]
  await send(chunk)
  const worker = await eventually('a worker has it', async () => holder(await works(cluster.databaseUrl)) ?? false)
  const name = await eventually('which one is known', async () => {
    for (const one of ['worker-1', 'worker-2']) if ((await statsOf(await cluster.member(one))).children.some(({ busy }) => busy)) return one
    return false
  })
  if (behind > 0) await send(others)
  return { name, worker }
}

/** Milliseconds until each of these is developed, or in the hands of another than `worker`. */
async function takenFrom(worker: string, hashes: Set<string>): Promise<number> {
  const startedAt = performance.now()
  await eventually(
    'others have it all',
    async () =>
      (await works(cluster.databaseUrl))
        .filter(({ sha256 }) => hashes.has(sha256))
        .every((row) => row.status === 'idle' || (row.status === 'processing' && row.worker !== worker)),
    30_000,
  )
  return Math.round(performance.now() - startedAt)
}

async function assertAllCompleted(): Promise<void> {
  const images = await allFinal(cluster)
  assert.deepEqual(
    images.filter(({ status }) => status !== 'completed'),
    [],
  )
  assert.equal(images.length, sent)
}

/** No child busy for almost half a second. */
async function isIdle(worker: { url: string | null }): Promise<boolean> {
  for (let look = 0; look < 8; look++) {
    if ((await statsOf(worker)).children.some(({ busy }) => busy)) return false
    await wait(50)
  }
  return true
}

test('a worker frozen past its lease: another one completes its images, and its late result changes nothing', async (t) => {
  const { name, worker } = await sendChunk()
  const before = await developedBy(await cluster.member(name))
  await cluster.kill(name, 'SIGSTOP')
  const frozenAt = performance.now()
  const stillHeld = async () => (await heldBy(cluster.databaseUrl, worker)).length
  const inHand = await stillHeld()
  assert.ok(inHand > 1)
  await eventually('the lease ran out', async () => (await stillHeld()) === 0, 15_000)
  const lapsedMs = Math.round(performance.now() - frozenAt)
  await assertAllCompleted()
  const state = async () => [await works(cluster.databaseUrl), await query(cluster.databaseUrl, 'select * from images order by id')]
  const settled = await state()
  await cluster.kill(name, 'SIGCONT')
  const thawed = await cluster.member(name)
  // It has one in hand, and goes on with what it had claimed.
  await eventually('it has nothing in hand', async () => (await developedBy(thawed)) > before && (await isIdle(thawed)), 30_000)
  const developed = await developedBy(thawed)
  t.diagnostic(
    `frozen with ${inHand} in hand; all taken from it after ${lapsedMs} ms; then woken, its children finished ${developed - before}`,
  )
  assert.deepEqual(await state(), settled)
  // And it is as good as before.
  await send(await make(2 * CHUNK))
  await assertAllCompleted()
  assert.ok((await developedBy(thawed)) > developed)
})

test('a worker that is stopped hands back what it has not begun, and another takes it', async (t) => {
  const { name, worker } = await sendChunk()
  const held = new Set((await heldBy(cluster.databaseUrl, worker)).map(({ sha256 }) => sha256))
  assert.ok(held.size > 2, `it holds ${held.size}`)
  const startedAt = performance.now()
  const stopping = cluster.stopMember(name).then(() => Math.round(performance.now() - startedAt))
  const takenMs = await takenFrom(worker, held)
  t.diagnostic(`${held.size} in hand at SIGTERM: with another, or done, after ${takenMs} ms; it ended after ${await stopping} ms`)
  await cluster.start(name)
  await assertAllCompleted()
})

test('what a stopped worker hands back does not go behind all that waits', async (t) => {
  const { name, worker } = await sendChunk(8 * CHUNK)
  // Nothing for a moment, where one chunk is done and the next is not claimed yet.
  const held = await eventually('it holds something', async () => {
    const rows = await heldBy(cluster.databaseUrl, worker)
    return rows.length > 0 && new Set(rows.map(({ sha256 }) => sha256))
  })
  await cluster.stopMember(name)
  const takenMs = await takenFrom(worker, held)
  const waiting = (await works(cluster.databaseUrl)).filter(({ status }) => status === 'pending').length
  t.diagnostic(`${held.size} in hand at SIGTERM: with the other worker ${takenMs} ms after its end; ${waiting} still wait then`)
  await cluster.start(name)
  await assertAllCompleted()
  assert.ok(waiting > 0)
})

test('a worker that is killed costs its jobs in hand, which another takes', async (t) => {
  const { name, worker } = await sendChunk()
  await cluster.kill(name)
  const rows = await works(cluster.databaseUrl)
  const held = new Set(rows.filter((row) => row.status === 'processing' && row.worker === worker).map(({ sha256 }) => sha256))
  const completed = rows.filter(({ status }) => status === 'idle')
  assert.ok(held.size > 0 && held.size <= CHUNK, `it held ${held.size}`)
  const backMs = await takenFrom(worker, held)
  t.diagnostic(`${held.size} in hand when it was killed: with another after ${backMs} ms`)
  await cluster.start(name)
  await assertAllCompleted()
  const known = new Set(completed.map(({ sha256 }) => sha256))
  const after = (await works(cluster.databaseUrl)).filter(({ sha256 }) => known.has(sha256))
  assert.deepEqual(after, completed, 'what was finished was not touched again')
})

test('one worker more, while a batch is developed, takes its part', async (t) => {
  let small = 0
  const sendMore = async () => send(await smallPhotographs(450, { seed: (small += 10_000) }))
  await sendMore()
  const startedAt = performance.now()
  const third = await cluster.start('worker-3')
  const readyAt = performance.now()
  await eventually(
    'it has developed something',
    async () => {
      const waiting = (await works(cluster.databaseUrl)).filter(({ status }) => status === 'pending').length
      // However long its start took: there is something left for it.
      if (waiting < 100) await sendMore()
      return (await developedBy(third)) > 0
    },
    20_000,
  )
  const tookMs = Math.round(performance.now() - readyAt)
  const waiting = (await works(cluster.databaseUrl)).filter(({ status }) => status === 'pending').length
  t.diagnostic(
    `ready ${Math.round(readyAt - startedAt)} ms after its start, its first image ${tookMs} ms later; ${waiting} still wait then`,
  )
  await assertAllCompleted()
})
