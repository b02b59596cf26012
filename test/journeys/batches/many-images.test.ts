// Many images in one request: deleted, tried again, counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiCount, ApiDeleted, ApiImage, ApiRetried } from '../../../src/api/images.ts'
import { allFinal, ask, eventually, listImages, upload, watch } from '../../support/clients/client.ts'
import { audit } from '../../support/servers/data-dir.ts'
import { photograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const UNKNOWN = '11111111-2222-4333-8444-555555555555'
const [shared, another] = (await smallPhotographs(2, { seed: 5_000 })) as [Buffer, Buffer]

onEachTopology({ BLOB_GRACE_SECONDS: '0' }, (server) => {
  const many = <T>(action: 'delete' | 'retry', body: unknown) =>
    ask<T & ApiError>(server, `/api/images/${action}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })
  const count = async (filter: Record<string, string> = {}) => {
    const { status, headers, body, text } = await ask<ApiCount>(server, `/api/images/count?${new URLSearchParams(filter)}`)
    assert.equal(status, 200, text)
    assert.equal(headers['cache-control'], 'no-store')
    return body.images
  }
  const idsOf = (images: { id: string }[]) => images.map(({ id }) => id)

  async function uploadAll(files: { name: string; bytes: Uint8Array }[]): Promise<ApiImage[]> {
    const { status, body, text } = await upload(server, 'batch', files)
    assert.equal(status, 202, text)
    return body.images
  }

  test('those that are not there are passed over, and each counts once; the others stay', async () => {
    const images = await uploadAll([
      { name: 'one.jpg', bytes: shared },
      { name: 'two.jpg', bytes: shared },
      { name: 'three.jpg', bytes: another },
    ])
    await allFinal(server)
    const [one, two, three] = idsOf(images)
    assert.deepEqual((await many<ApiDeleted>('delete', { ids: [one, UNKNOWN, three, one] })).body, { deleted: 2 })
    assert.deepEqual(idsOf(await listImages(server)), [two])
    assert.deepEqual((await many<ApiDeleted>('delete', { ids: [] })).body, { deleted: 0 })
  })

  test('the same ones in several requests at once go once', async () => {
    const ids = idsOf(await uploadAll(Array.from({ length: 400 }, (_, at) => ({ name: `${at}.jpg`, bytes: at % 2 ? shared : another }))))
    const orders = [ids, ids.toReversed(), ids.slice(100), [...ids.slice(200), ...ids.slice(0, 200)]]
    const answers = await Promise.all(orders.map((order) => many<ApiDeleted>('delete', { ids: order })))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    )
    assert.equal(
      answers.reduce((sum, { body }) => sum + body.deleted, 0),
      400,
    )
    assert.equal(await count(), 1)
  })

  test('a thousand, most of them not developed yet, are deleted; who watches hears of those', async (t) => {
    using watching = await watch(server)
    const images = await uploadAll((await smallPhotographs(1_000, { bytes: 10_000 })).map((bytes, at) => ({ name: `${at}.jpg`, bytes })))
    const startedAt = performance.now()
    const { status, body, text } = await many<ApiDeleted>('delete', { ids: idsOf(images) })
    t.diagnostic(`deleted in ${(performance.now() - startedAt).toFixed(0)} ms`)
    assert.deepEqual([status, body], [200, { deleted: 1_000 }], text)
    const [kept, ...others] = await listImages(server)
    assert.deepEqual([kept?.name, others], ['two.jpg', []])
    const final = (id: string) => watching.messages.find((message) => message.id === id && /completed|aborted/.test(message.status))
    await eventually('each of them was heard to be completed or aborted', async () => images.every(({ id }) => final(id)), 30_000)
    assert.ok(images.some(({ id }) => final(id)!.status === 'aborted'))
    assert.deepEqual((await many<ApiDeleted>('delete', { ids: idsOf(images) })).body, { deleted: 0 }, 'again')
    // What was just being developed is collected once it is done; not what another image still uses.
    await eventually(
      'nothing but one image is left in the store',
      async () => {
        const { originals, renditions, rowsWithoutBytes } = await audit(server)
        return originals.length === 1 && renditions.length === 2 && rowsWithoutBytes.length === 0
      },
      60_000,
    )
    const original = await fetch(`${server.url}/api/images/${kept!.id}/original`)
    assert.ok(Buffer.from(await original.arrayBuffer()).equals(shared))
    assert.equal((await ask(server, `/api/batches/${images[0]!.job_id.replace(/-0$/, '')}`)).status, 404)
  })

  test('failed ones are tried again, with their like; the others are passed over', async () => {
    const [whole, first, second] = (await smallPhotographs(3)) as [Buffer, Buffer, Buffer]
    const damaged = [first.subarray(0, 5_000), second.subarray(0, 5_000)] as const
    const images = await uploadAll([
      { name: 'whole.jpg', bytes: whole },
      { name: 'damaged.jpg', bytes: damaged[0] },
      { name: 'the same.jpg', bytes: damaged[0] },
      { name: 'another damaged.jpg', bytes: damaged[1] },
      { name: 'left alone.jpg', bytes: (await photograph({ seed: 9, megapixels: 0.01 })).subarray(0, 3_000) },
    ])
    await allFinal(server)
    using watching = await watch(server)
    const [good, bad, same, alike] = idsOf(images)
    const { status, body, text } = await many<ApiRetried>('retry', { ids: [good, bad, alike, UNKNOWN, bad] })
    assert.deepEqual([status, body], [202, { retried: 2 }], text)
    const heard = (id: string) => watching.messages.filter((message) => message.id === id).map((message) => message.status)
    for (const id of [bad, same, alike])
      await eventually(`${id} failed again`, async () => heard(id!).includes('pending') && heard(id!).includes('error'))
    for (const { id } of [images[0]!, images[4]!]) assert.deepEqual(heard(id), [])
    assert.deepEqual((await many<ApiRetried>('retry', { ids: [good, UNKNOWN] })).body, { retried: 0 })
    assert.deepEqual((await many<ApiRetried>('retry', { ids: [bad, same] })).body, { retried: 2 })
    await allFinal(server)
  })

  test('counts are those of the lists', async () => {
    const images = await listImages(server)
    assert.equal(await count(), images.length)
    assert.equal(await count({ status: 'error' }), 4)
    const batch = images[0]!.job_id.replace(/-\d+$/, '')
    for (const filter of [
      { q: 'DAMAGED' },
      { q: '%' },
      { q: 'a', status: 'error' },
      { format: 'jpeg' },
      { format: 'png' },
      { batch },
    ] as const) {
      const listed = await ask<ApiImage[]>(server, `/api/images?${new URLSearchParams(filter)}`)
      assert.equal(await count(filter), listed.body.length, JSON.stringify(filter))
    }
    assert.equal(await count({ batch: UNKNOWN }), 0)
  })

  test('what makes no sense is refused', async () => {
    const before = await count()
    for (const action of ['delete', 'retry'] as const) {
      for (const [body, sentence] of [
        [{}, /"ids" in the body/],
        [[], /body is not valid/],
        [{ ids: 'all' }, /"ids" in the body/],
        [{ ids: [UNKNOWN, 'nonsense'] }, /"ids\/1" in the body/],
        [{ ids: [null] }, /"ids\/0" in the body/],
        [{ ids: Array.from({ length: 1_001 }, () => UNKNOWN) }, /At most 1000/],
      ] as const) {
        const { status, body: answer, text } = await many(action, body)
        assert.deepEqual([status, answer.code], [400, 'bad_request'], text)
        assert.match(answer.error, sentence)
      }
      const path = `/api/images/${action}`
      const text = await ask<ApiError>(server, path, { method: 'POST', body: '{"ids":[]}', headers: { 'content-type': 'text/plain' } })
      assert.deepEqual([text.status, text.body.code], [415, 'not_json'])
      const headers = { 'content-type': 'application/json', origin: 'https://evil.example' }
      const strange = await ask<ApiError>(server, path, { method: 'POST', body: '{"ids":[]}', headers })
      assert.deepEqual([strange.status, strange.body.code], [403, 'origin_not_allowed'])
    }
    for (const question of ['status=lost', 'format=bmp', 'batch=1']) {
      const { status, body } = await ask<ApiError>(server, `/api/images/count?${question}`)
      assert.deepEqual([status, body.code], [400, 'bad_request'])
    }
    assert.equal(await count(), before)
  })
})
