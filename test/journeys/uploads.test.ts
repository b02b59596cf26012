// The three ways in, and what keeps one upload from being in the way of another.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ApiBatchFile } from '../../src/api/batches.ts'
import { allFinal, ask, eventually, getBatch, upload, watch } from '../support/clients/client.ts'
import { filesIn, query } from '../support/servers/data-dir.ts'
import { photograph, smallPhotographs } from '../support/inputs/photographs.ts'
import { onEachTopology } from '../support/servers/topologies.ts'

const named = (photographs: Buffer[]) => photographs.map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
const batchFinished = (server: { url: string }, id: string) =>
  eventually('the batch is finished', async () => {
    const batch = await getBatch(server, id)
    return batch.finished_at === null ? false : batch
  })

onEachTopology({ WORKER_CONCURRENCY: '1' }, (server) => {
  test('async and batch', async (t) => {
    for (const [endpoint, message] of [
      ['async', 'Images upload initiated'],
      ['batch', 'Batch upload of 12 images initiated'],
    ] as const) {
      await t.test(`${endpoint}: every file has its place, and the batch counts them`, async () => {
        using watching = await watch(server)
        const photographs = await smallPhotographs(12, { seed: endpoint === 'async' ? 0 : 100 })
        const files = [...named(photographs), { name: 'notes.txt', bytes: Buffer.from('text') }]
        const { status, body, text } = await upload(server, endpoint, files)
        assert.equal(status, 202, text)
        assert.equal(body.message, message)
        assert.deepEqual(
          body.images.map(({ name, job_id, size, type }) => ({ name, job_id, size, type })),
          photographs.map((bytes, index) => ({
            name: `${index}.jpg`,
            job_id: `${body.job_id}-${index}`,
            size: bytes.length,
            type: 'image/jpeg',
          })),
        )
        assert.deepEqual(
          body.rejected.map(({ name, code }) => ({ name, code })),
          [{ name: 'notes.txt', code: 'unsupported_format' }],
        )

        const batch = await batchFinished(server, body.job_id)
        assert.deepEqual([batch.id, batch.kind, batch.declared], [body.job_id, endpoint, 13])
        assert.deepEqual(
          [batch.needed, batch.pending, batch.processing, batch.completed, batch.error, batch.rejected, batch.aborted, batch.expired],
          [0, 0, 0, 12, 0, 1, 0, 0],
        )
        const { body: rejected } = await ask<ApiBatchFile[]>(server, `/api/batches/${body.job_id}?status=rejected`)
        assert.deepEqual(
          rejected.map(({ name, code, error, index }) => ({ name, code, error, index })),
          body.rejected,
        )
        const times = [batch.created_at, batch.received_at!, batch.finished_at!].map((time) => Date.parse(time))
        assert.deepEqual(times, times.toSorted())
        const ids = new Set(body.images.map(({ id }) => id))
        const completed = () => watching.messages.filter((message) => message.status === 'completed' && ids.has(message.id))
        await eventually('each was announced', async () => completed().length === 12)
      })
    }

    await t.test('a batch that is not there', async () => {
      assert.equal((await ask(server, '/api/batches/11111111-2222-4333-8444-555555555555')).status, 404)
    })

    await t.test('a sync upload makes a batch of one', async () => {
      const { body } = await upload(server, 'sync', named(await smallPhotographs(1, { seed: 200 })))
      const batch = await getBatch(server, body.image.job_id.slice(0, 36))
      assert.deepEqual([batch.kind, batch.declared, batch.completed], ['sync', 1, 1])
    })

    await t.test('100 single uploads at once', async () => {
      const photographs = await smallPhotographs(100, { seed: 300 })
      const answers = await Promise.all(named(photographs).map((file) => upload(server, 'sync', [file])))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      assert.equal(new Set(answers.map(({ body }) => body.image.id)).size, 100)
    })
  })

  test('the same bytes are kept once and developed once, with a row for each upload', async () => {
    const bytes = await photograph({ seed: 1, megapixels: 1 })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const atOnce = await Promise.all(
      Array.from({ length: 10 }, (_, index) => upload(server, 'sync', [{ name: `same-${index}.jpg`, bytes }])),
    )
    assert.deepEqual(new Set(atOnce.map(({ status }) => status)), new Set([200]))
    const files = async () => {
      const all = [...(await filesIn(server.dataDir, 'originals')), ...(await filesIn(server.dataDir, 'renditions'))]
      const keys = all.filter((key) => key.includes(sha256))
      return Promise.all(keys.map(async (key) => ({ key, inode: (await stat(join(server.dataDir, key))).ino })))
    }
    const renditions = async () => (await files()).filter(({ key }) => key.startsWith('renditions/'))
    const before = await renditions()
    assert.equal(before.length, 2)

    using watching = await watch(server)
    const later = await upload(server, 'batch', Array(10).fill({ name: 'same-again.jpg', bytes }))
    assert.equal(later.status, 202)
    assert.deepEqual(new Set(later.body.images.map(({ status }) => status)), new Set(['completed']))
    await eventually('all ten were announced', async () => watching.messages.length >= 10)
    assert.deepEqual(new Set(watching.messages.map(({ status }) => status)), new Set(['completed']), 'nothing was developed again')

    const images = (await allFinal(server)).filter(({ name }) => name.startsWith('same-'))
    assert.equal(images.length, 20)
    assert.equal(new Set(images.map(({ image }) => image)).size, 20, 'each has an address of its own')
    assert.equal((await files()).length, 3)
    assert.deepEqual(await renditions(), before, 'the same files, not new ones in their place')
    for (const [table, rows] of [
      ['originals', 1],
      ['renditions', 2],
    ] as const)
      assert.equal((await query(server, `select * from ${table} where sha256 = '${sha256}'`)).length, rows, table)

    // Bytes stay as long as one image uses them.
    for (const { id } of images.slice(1)) await ask(server, `/api/images/${id}`, { method: 'DELETE' })
    const last = await fetch(server.url + images[0]!.image)
    assert.equal(last.status, 200)
    await last.arrayBuffer()
  })

  test('a batch does not hold up a single upload that comes after it', async () => {
    const photographs = await Promise.all(Array.from({ length: 8 }, (_, seed) => photograph({ seed, megapixels: 1 })))
    // Few pictures, made many by a byte at their end.
    const many = Array.from({ length: 80 }, (_, index) => Buffer.concat([photographs[index % 8]!, Buffer.from([index])]))
    const latecomer = { name: 'me-too.jpg', bytes: await photograph({ seed: 100, megapixels: 0.1 }) }
    const batch = await upload(server, 'batch', named(many))
    const single = await upload(server, 'sync', [latecomer])
    assert.equal(single.status, 200, single.text)
    const images = (await allFinal(server)).filter(({ job_id }) => job_id.startsWith(batch.body.job_id))
    assert.equal(images.length, many.length)
    const { uploaded_at: from, finished_at: to } = single.body.image
    const inBetween = images.filter(({ finished_at }) => finished_at! > from && finished_at! < to!)
    // Two workers have a chunk of 16 each in hand; all 80 of the batch wait or are in hand when it comes, but on a very busy machine.
    assert.ok(inBetween.length <= 40, `${inBetween.length} of the batch were done before it`)
  })
})
