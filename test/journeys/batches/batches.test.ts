// Declared batches: sent in any number of requests, counted at every moment, resumed, cancelled, tried again, expired.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiBatch, ApiDeclared } from '../../../src/api/batches.ts'
import { ask, eventually, listImages, MULTIPART, upload, watch } from '../../support/clients/client.ts'
import { audit, change, query } from '../../support/servers/data-dir.ts'
import {
  act,
  addsUp,
  countsOf,
  declare,
  described,
  filesOf,
  finished,
  ledgerOf,
  partsOf,
  pathOf,
  sendBundles,
  sendFiles,
  watchLedger,
} from '../../support/clients/ledger.ts'
import { photograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer } from '../../support/servers/server.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

let seed = 50_000

/** Files nobody sent before, each with its place. */
async function newFiles(count: number) {
  const photographs = await smallPhotographs(count, { seed: (seed += 1_000) })
  return photographs.map((bytes, index) => ({ index, name: `${seed}-${index}.jpg`, bytes }))
}

/** Distinct files that take a child a while. */
async function slowFiles(count: number) {
  const bytes = await photograph({ seed: 3, megapixels: 2 })
  seed += count
  return Array.from({ length: count }, (_, index) => ({
    index,
    name: `slow-${index}.jpg`,
    bytes: Buffer.concat([bytes, Buffer.from(String(seed + index))]),
  }))
}

const needed = ({ files }: ApiDeclared) => files.filter(({ state }) => state === 'needed').length

onEachTopology({ WORKER_CONCURRENCY: '1', BLOB_GRACE_SECONDS: '1' }, (server) => {
  test('10,000 files in one call, a part of them sent, and the ledger adds up all the while', async () => {
    const files = await newFiles(150)
    const rest = Array.from({ length: 9_850 }, (_, at) => ({ name: `rest/${at}.jpg`, size: 1_000 + at }))
    const declared = await declare(server, [...files.map(described), ...rest])
    assert.equal(needed(declared), 10_000)
    assert.ok(Math.abs(Date.parse(declared.expires_at) - Date.now() - 7 * 24 * 3_600_000) < 60_000)

    using watching = await watch(server)
    const looking = watchLedger(server, declared.id)
    await sendBundles(server, declared.id, files, 50)
    await eventually('all that was sent is done', async () => (await ledgerOf(server, declared.id)).completed === 150, 60_000)
    assert.ok((await looking.end()) > 5)
    assert.deepEqual(countsOf(await ledgerOf(server, declared.id)), { needed: 9_850, completed: 150 })

    const missing = await filesOf(server, declared.id, 'needed')
    assert.deepEqual(
      missing.map(({ index, name, size }) => [index, name, size]),
      rest.map(({ name, size }, at) => [150 + at, name, size]),
    )
    const done = await filesOf(server, declared.id, 'completed', 70)
    assert.deepEqual(
      done.map(({ index, name, image }) => [index, name, image?.job_id]),
      files.map(({ index, name }) => [index, name, `${declared.id}-${index}`]),
    )

    const { status, body } = await act(server, declared.id, 'cancel')
    assert.equal(status, 200)
    assert.deepEqual(countsOf(addsUp(body)), { completed: 150, aborted: 9_850 })
    assert.ok(body.finished_at)
    assert.ok(
      watching.messages.every(({ status }) => status !== 'aborted'),
      'what was never sent is no image',
    )
  })

  test('the same bundle five times at once leaves each file once', async () => {
    const files = await newFiles(20)
    const { id } = await declare(server, files.map(described))
    const before = (await listImages(server)).length
    const answers = await Promise.all(Array.from({ length: 5 }, () => sendFiles(server, id, files)))
    const idsOf = ({ body }: (typeof answers)[number]) => body.images.map((image) => image.id)
    for (const answer of answers) {
      assert.equal(answer.status, 202, answer.text)
      assert.deepEqual([answer.body.job_id, idsOf(answer)], [id, idsOf(answers[0]!)])
    }
    assert.equal((await listImages(server)).length, before + 20)
    const late = await sendFiles(server, id, files.toReversed())
    assert.deepEqual(idsOf(late), idsOf(answers[0]!))
    assert.deepEqual(countsOf(await finished(server, id)), { completed: 20 })
    // Both files of one place in one body, too.
    const twice = await sendFiles(server, id, [files[0]!, files[0]!])
    assert.deepEqual(idsOf(twice), idsOf(answers[0]!).slice(0, 1))
  })

  test('a body that is cut off keeps what came whole, and the rest is resumed', async () => {
    const files = await newFiles(60)
    const { id } = await declare(server, files.map(described))
    const parts = partsOf(files)
    const body = Buffer.concat(parts)
    const whole = Buffer.concat(parts.slice(0, 80)).length
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `POST ${pathOf(id)} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${MULTIPART}\r\ncontent-length: ${body.length + 100}\r\n\r\n`,
    )
    // 40 files with their indexes, and half of another.
    await new Promise((resolve) => socket.write(body.subarray(0, whole + 5_000), resolve))
    await eventually('some are recorded', async () => (await ledgerOf(server, id)).needed <= 28)
    socket.destroy()
    await eventually('all that were whole are', async () => (await ledgerOf(server, id)).needed === 20)
    const missing = await filesOf(server, id, 'needed')
    assert.deepEqual(
      missing.map(({ index }) => index),
      files.slice(40).map(({ index }) => index),
    )
    await sendBundles(server, id, files.slice(40))
    const batch = await finished(server, id)
    assert.deepEqual(countsOf(batch), { completed: 60 })
    assert.ok(batch.received_at && batch.received_at <= batch.finished_at!)
  })

  test('what was not declared so is refused, file by file', async () => {
    const [one, two, three, other] = (await newFiles(4)) as [Sent, Sent, Sent, Sent]
    const { id } = await declare(server, [described(one), described(two), { name: 'three.jpg', size: three.bytes.length }])
    const before = (await query<{ n: number }>(server, 'select count(*) as n from images'))[0]!.n

    const wrong = await sendFiles(server, id, [
      { name: 'no-index.jpg', bytes: one.bytes },
      { index: 3, name: 'outside.jpg', bytes: one.bytes },
      { index: '-1', name: 'negative.jpg', bytes: one.bytes },
      { index: 'one', name: 'word.jpg', bytes: one.bytes },
      { index: 1, name: 'mismatch.jpg', bytes: other.bytes },
    ])
    assert.deepEqual([wrong.status, wrong.body.code], [400, 'not_declared'])
    assert.deepEqual(
      wrong.body.rejected.map(({ name, code, index }) => [name, code, index]),
      [
        ['no-index.jpg', 'not_declared', undefined],
        ['outside.jpg', 'not_declared', 3],
        ['negative.jpg', 'not_declared', undefined],
        ['word.jpg', 'not_declared', undefined],
        ['mismatch.jpg', 'declaration_mismatch', 1],
      ],
    )
    assert.equal((await query<{ n: number }>(server, 'select count(*) as n from images'))[0]!.n, before)
    const mixed = await sendFiles(server, id, [
      { ...one, index: 0 },
      { index: 2, name: 'text.jpg', bytes: Buffer.from('text') },
    ])
    assert.equal(mixed.status, 202, mixed.text)
    assert.deepEqual(
      mixed.body.rejected.map(({ index, code }) => [index, code]),
      [[2, 'unsupported_format']],
    )
    await finished(server, id)
    assert.deepEqual(countsOf(await ledgerOf(server, id)), { completed: 1, rejected: 2 })
    assert.deepEqual(
      (await filesOf(server, id, 'rejected')).map(({ index, code }) => [index, code]),
      [
        [1, 'declaration_mismatch'],
        [2, 'unsupported_format'],
      ],
    )
    // A retry makes room for them to come as they should.
    const retried = await act(server, id, 'retry')
    assert.deepEqual([retried.status, countsOf(addsUp(retried.body))], [202, { completed: 1, needed: 2 }])
    assert.equal(retried.body.finished_at, null)
    await sendBundles(server, id, [
      { ...two, index: 1 },
      { ...three, index: 2 },
    ])
    assert.deepEqual(countsOf(await finished(server, id)), { completed: 3 })
  })

  test('a batch that is not there, or was not declared', async () => {
    const [file] = (await newFiles(1)) as [Sent]
    const { body } = await upload(server, 'batch', [file])
    for (const id of [randomUUID(), 'nonsense', body.job_id, '']) {
      const answer = await sendFiles(server, id, [file])
      assert.deepEqual([answer.status, answer.body.code], [404, 'not_found'], id)
    }
    const gone = randomUUID()
    for (const path of [`/api/batches/${gone}`, `/api/batches/${gone}?status=all`]) assert.equal((await ask(server, path)).status, 404)
    for (const action of ['cancel', 'retry'] as const) assert.equal((await act(server, gone, action)).status, 404)
    const { id } = await declare(server, [described(file)])
    const cursor = (place: number) => Buffer.from(`n${place}`).toString('base64url')
    for (const parameters of ['status=lost', 'status=all&limit=0', 'status=all&cursor=nonsense', `status=all&cursor=${cursor(0.5)}`]) {
      assert.equal((await ask(server, `/api/batches/${id}?${parameters}`)).status, 400, parameters)
    }
    assert.deepEqual((await ask(server, `/api/batches/${id}?status=all&cursor=${cursor(2 ** 40)}`)).body, [])
    const nul = await sendFiles(server, '%00', [file])
    assert.ok(nul.status === 400 || nul.status === 404, nul.text)
  })

  test('files whose bytes are here have their images at once', async () => {
    const files = await newFiles(6)
    await upload(server, 'sync', [files[0]!])
    await upload(server, 'sync', [files[1]!])
    using watching = await watch(server)
    const declared = await declare(server, [
      ...files.map(described),
      { ...described(files[0]!), size: 5 },
      { name: 'empty.jpg', size: 0 },
      { name: 'huge.jpg', size: 10 ** 12 },
    ])
    assert.deepEqual(
      declared.files.map((file) => (file.state === 'rejected' ? file.code : file.state)),
      ['known', 'known', 'needed', 'needed', 'needed', 'needed', 'needed', 'empty_file', 'file_too_large'],
    )
    const batch = await ledgerOf(server, declared.id)
    assert.deepEqual(countsOf(batch), { needed: 5, completed: 2, rejected: 2 })
    const known = (await filesOf(server, declared.id, 'completed')).map(({ image }) => image!)
    assert.deepEqual(
      known.map(({ id, name, size }) => [id, name, size]),
      declared.files.slice(0, 2).map((file, at) => [file.state === 'known' && file.image, files[at]!.name, files[at]!.bytes.length]),
    )
    for (const { image } of known) assert.equal((await fetch(server.url + image!)).status, 200)
    await eventually('they are announced', async () => known.every(({ id }) => watching.messages.some((message) => message.id === id)))
    // Sent all the same, nothing changes.
    const again = await sendFiles(server, declared.id, files.slice(0, 3))
    assert.deepEqual(
      again.body.images.slice(0, 2).map(({ id }) => id),
      known.map(({ id }) => id),
    )
    const retried = await act(server, declared.id, 'retry')
    assert.equal(retried.body.rejected, 2, 'what can not be taken stays refused')
  })

  test('cancelled: what is not done is aborted for good, and announced', async () => {
    const files = await slowFiles(40)
    const { id } = await declare(server, [...files.map(described), { name: 'never.jpg', size: 5_000 }])
    using watching = await watch(server)
    await sendBundles(server, id, files)
    const looking = watchLedger(server, id)
    await eventually('it is being worked on', async () => (await ledgerOf(server, id)).completed > 0, 60_000)
    const { status, body } = await act(server, id, 'cancel')
    assert.equal(status, 200)
    addsUp(body)
    assert.deepEqual([body.needed, body.pending, body.processing], [0, 0, 0])
    assert.ok(body.aborted > 1 && body.finished_at)
    const refused = await sendFiles(server, id, [{ index: 40, name: 'never.jpg', bytes: files[0]!.bytes }])
    assert.deepEqual([refused.status, refused.body.code], [409, 'batch_cancelled'])
    assert.deepEqual((await act(server, id, 'cancel')).body, body)

    // Whatever was in hand is done by now, and the workers are free.
    const [single] = (await newFiles(1)) as [Sent]
    assert.equal((await upload(server, 'sync', [single])).status, 200)
    await looking.end()
    assert.deepEqual(countsOf(await ledgerOf(server, id)), countsOf(body))
    const aborted = (await filesOf(server, id, 'aborted')).flatMap(({ image }) => image?.id ?? [])
    assert.equal(aborted.length, body.aborted - 1)
    const announced = () => new Set(watching.messages.flatMap((message) => (message.status === 'aborted' ? message.id : [])))
    await eventually('each is announced', async () => aborted.every((image) => announced().has(image)))
    assert.deepEqual(await query(server, "select id from images where status in ('pending', 'processing')"), [])
  })

  test('a cancelled batch does not come alive again, by what is sent nor by a retry', async () => {
    const files = await newFiles(3)
    const { id } = await declare(server, files.map(described))
    const text = { index: 1, name: 'notes.jpg', bytes: Buffer.from('text') }
    const sent = await sendFiles(server, id, [files[0]!, text])
    assert.equal(sent.status, 202, sent.text)
    await eventually('one is done', async () => (await ledgerOf(server, id)).completed === 1, 60_000)
    const cancelled = (await act(server, id, 'cancel')).body
    assert.deepEqual(countsOf(addsUp(cancelled)), { completed: 1, rejected: 1, aborted: 1 })

    const late = await sendFiles(server, id, files)
    assert.equal(late.status, 202, late.text)
    assert.deepEqual(
      late.body.images.map(({ name, status }) => [name, status]),
      [[files[0]!.name, 'completed']],
      'what was done is answered as before',
    )
    assert.deepEqual(
      late.body.rejected.map(({ index, code }) => [index, code]),
      files.slice(1).map(({ index }) => [index, 'batch_cancelled']),
    )
    const refused = await sendFiles(server, id, files.slice(1))
    assert.deepEqual([refused.status, refused.body.code], [409, 'batch_cancelled'])
    const retried = await act(server, id, 'retry')
    assert.deepEqual([retried.status, retried.body], [202, cancelled])
    assert.equal((await sendFiles(server, id, files.slice(1, 2))).status, 409)
    assert.deepEqual(await ledgerOf(server, id), cancelled)
    const [{ image } = { image: null }] = await filesOf(server, id, 'completed')
    assert.ok((await fetch(server.url + image!.image!)).ok, 'what was done stays')
  })

  test('a retry develops what failed again', async () => {
    const [good, bad] = (await newFiles(2)) as [Sent, Sent]
    const broken = { ...bad, bytes: bad.bytes.subarray(0, 3_000) }
    const { id } = await declare(server, [described(good), described(broken)])
    await sendBundles(server, id, [good, broken])
    assert.deepEqual(countsOf(await finished(server, id)), { completed: 1, error: 1 })
    const [failed] = await filesOf(server, id, 'error')
    assert.deepEqual([failed?.index, failed?.code, failed?.image?.status], [1, 'invalid_image', 'error'])
    assert.match(failed!.error!, /\w+.*\./)
    const { status, body } = await act(server, id, 'retry')
    assert.equal(status, 202)
    addsUp(body)
    assert.deepEqual(countsOf(await finished(server, id)), { completed: 1, error: 1 }, 'damaged it stays')
  })

  test('a batch of an upload that was not declared has a ledger, too', async () => {
    const files = await slowFiles(20)
    const { body } = await upload(server, 'batch', [...files, { name: 'notes.txt', bytes: Buffer.from('text') }])
    const batch = await ledgerOf(server, body.job_id)
    assert.deepEqual([batch.declared, batch.rejected, batch.expires_at], [21, 1, null])
    assert.deepEqual(
      (await filesOf(server, body.job_id, 'all', 6)).map(({ index, name }) => [index, name]),
      [...files.map(({ name }, index) => [index, name]), [20, 'notes.txt']],
    )
    const cancelled = (await act(server, body.job_id, 'cancel')).body
    assert.ok(addsUp(cancelled).aborted > 0)

    const { headers, body: page } = await ask<ApiBatch[]>(server, '/api/batches?limit=3')
    assert.deepEqual([page.length, page[0]?.id], [3, body.job_id])
    page.forEach(addsUp)
    const next = /^<(.+)>; rel="next"$/.exec(String(headers.link))![1]!
    const { body: second } = await ask<ApiBatch[]>(server, next)
    assert.equal(new Set([...page, ...second].map(({ id }) => id)).size, 6)
  })

  // Sweeps come every ten seconds: what waits for them waits together.
  describe('with the sweeps', { concurrency: true }, () => {
    test('bytes that came and have no image are gone', async () => {
      // Looking at the bytes reads all that are there: once is enough.
      const released = () => query(server, 'select sha256 from originals where released_at is not null')
      await eventually('they are swept', async () => (await released()).length === 0, 90_000)
      await eventually('and gone', async () => (await audit(server)).bytesWithoutRows.length === 0, 90_000)
    })

    test('what is missing when its time is over has expired', async () => {
      const files = await newFiles(3)
      const { id } = await declare(server, files.map(described))
      await sendBundles(server, id, files.slice(0, 1))
      await change(server, `update batches set expires_at = created_at where id = '${id}'`)
      const refused = await sendFiles(server, id, files.slice(1, 2))
      assert.deepEqual([refused.status, refused.body.code], [409, 'batch_expired'])
      await eventually('the sweep has seen it', async () => (await ledgerOf(server, id)).expired === 2, 30_000)
      assert.deepEqual(countsOf(await finished(server, id)), { completed: 1, expired: 2 })
      assert.equal((await sendFiles(server, id, files.slice(0, 1))).status, 202, 'what came in time is still there')
      assert.deepEqual(
        (await filesOf(server, id, 'expired')).map(({ index }) => index),
        [1, 2],
      )
    })

    test('a batch that ended without an image is removed when it has been over for as long as it was open', async () => {
      const declared = async () => (await declare(server, [{ name: 'never.jpg', size: 5_000 }])).id
      const [cancelled, expired, recent] = [await declared(), await declared(), await declared()]
      for (const id of [cancelled, recent]) await act(server, id, 'cancel')
      await change(server, `update batches set expires_at = created_at where id = '${expired}'`)
      await eventually('the sweep has seen it', async () => (await ledgerOf(server, expired)).expired === 1, 30_000)
      await change(server, `update batches set empty_since = empty_since - 168 * 3600000 where id in ('${cancelled}', '${expired}')`)
      const gone = async (id: string) => (await ask(server, `/api/batches/${id}`)).status === 404
      await eventually('both are gone', async () => (await gone(cancelled)) && (await gone(expired)), 30_000)
      assert.deepEqual(await query(server, `select name from declared_files where batch_id in ('${cancelled}', '${expired}')`), [])
      assert.deepEqual(countsOf(await ledgerOf(server, recent)), { aborted: 1 })
    })
  })

  test('a deleted image takes its declared file along', async () => {
    const files = await newFiles(2)
    const { id } = await declare(server, files.map(described))
    const [answer] = await sendBundles(server, id, files)
    await ask(server, `/api/images/${answer!.images[0]!.id}`, { method: 'DELETE' })
    assert.equal((await ledgerOf(server, id)).declared, 1)
    await ask(server, `/api/images/${answer!.images[1]!.id}`, { method: 'DELETE' })
    assert.equal((await ask(server, `/api/batches/${id}`)).status, 404)
  })

  test('a restart in the middle: the ledger is as it was, and the rest is sent', async () => {
    const files = await slowFiles(40)
    const declared = await declare(server, files.map(described))
    await sendBundles(server, declared.id, files.slice(0, 20))
    const before = await ledgerOf(server, declared.id)
    assert.equal(before.needed, 20)
    await server.shutDown()
    await server.startAgain()
    const after = await ledgerOf(server, declared.id)
    assert.deepEqual([after.needed, after.expires_at, after.declared], [20, declared.expires_at, 40])
    assert.ok(after.completed >= before.completed)
    const looking = watchLedger(server, declared.id)
    await sendBundles(server, declared.id, files.slice(20))
    assert.deepEqual(countsOf(await finished(server, declared.id)), { completed: 40 })
    await looking.end()
  })
})

type Sent = Awaited<ReturnType<typeof newFiles>>[number]

test('killed while its files come, a server goes on with what is missing', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  t.after(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const env = { BLOB_GRACE_SECONDS: '0', LOG_LEVEL: 'warn' }
  const files = await newFiles(300)
  let batchId = ''
  for (const round of [0, 1, 2]) {
    await using server = await startServer({ dataDir, env })
    if (round === 0) batchId = (await declare(server, files.map(described))).id
    const missing = new Set((await filesOf(server, batchId, 'needed')).map(({ index }) => index))
    const left = files.filter(({ index }) => missing.has(index))
    const sending = sendBundles(server, batchId, left, 20).catch(() => {})
    await eventually('some of it is recorded', async () => (await ledgerOf(server, batchId)).needed < 260 - 80 * round)
    await wait(Math.random() * 100)
    await server.kill('SIGKILL')
    await sending
  }
  await using server = await startServer({ dataDir, env })
  // All of them again: nothing is there twice.
  await sendBundles(server, batchId, files)
  assert.deepEqual(countsOf(await finished(server, batchId)), { completed: 300 })
  assert.equal((await listImages(server)).length, 300)
  await server.stop()
  const { temporary, rowsWithoutBytes, bytesWithoutRows } = await audit({ dataDir })
  assert.deepEqual([temporary, rowsWithoutBytes, bytesWithoutRows], [[], [], []])
})
