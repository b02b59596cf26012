// Many originals in one download: by a filter or by their ids, under names that unpack anywhere, byte for byte, and in little memory.
import assert from 'node:assert/strict'
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import type { ApiError } from '../../src/api/errors.ts'
import type { ApiImage } from '../../src/api/images.ts'
import { allFinal, ask, END_OF_PARTS, part, post, type SentFile, upload } from '../support/clients/client.ts'
import { query } from '../support/servers/data-dir.ts'
import { growthDuring } from '../support/servers/memory.ts'
import { photograph, smallPhotograph, smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { contentOf, inMemory, readZip } from '../support/clients/zip-reader.ts'

const PATH = '/api/images/archive'
const MOST_GROWTH_MB = 100
const LARGE_FILES = 6
const LARGE_FILE_BYTES = 50 * 1024 * 1024

onEachTopology({}, (server) => {
  let sent: SentFile[]
  let batch: string
  let all: ApiImage[]

  before(async () => {
    const pictures = await smallPhotographs(6)
    const damaged = pictures[5]!.subarray(0, 5_000)
    sent = [
      { name: 'photo.jpg', bytes: pictures[0]! },
      { name: 'photo.jpg', bytes: pictures[1]! },
      { name: 'Photo.JPG', bytes: pictures[1]! },
      { name: '../../../escape.jpg', bytes: pictures[2]! },
      { name: 'Größe 写真 📷.jpg', bytes: pictures[3]! },
      { name: 'damaged.jpg', bytes: damaged },
      { name: 'picture.png', bytes: await photograph({ seed: 7, megapixels: 0.01, format: 'png' }) },
    ]
    const first = await upload(server, 'batch', sent)
    assert.equal(first.status, 202, first.text)
    batch = first.body.job_id
    const another = await upload(server, 'batch', [{ name: 'another batch.jpg', bytes: pictures[4]! }])
    assert.equal(another.status, 202, another.text)
    all = await allFinal(server)
  })

  async function download(path: string, init?: RequestInit) {
    const answer = await fetch(server.url + path, init)
    assert.equal(answer.status, 200)
    const archive = inMemory(Buffer.from(await answer.arrayBuffer()))
    return { headers: answer.headers, files: readZip(archive).map((entry) => ({ ...entry, bytes: contentOf(archive, entry) })) }
  }
  const names = (files: { name: string }[]) => files.map(({ name }) => name)
  const form = (ids: string[]): RequestInit => ({
    method: 'POST',
    body: new URLSearchParams(ids.map((id): [string, string] => ['id', id])),
  })

  test('of a batch: every file under its name, byte for byte', async () => {
    const { headers, files } = await download(`${PATH}?batch=${batch}&sort=oldest`)
    const inOrder = all
      .filter(({ job_id }) => job_id.startsWith(batch))
      .sort((a, b) => (a.uploaded_at + a.id < b.uploaded_at + b.id ? -1 : 1))
    assert.equal(files.length, sent.length)
    for (const [at, image] of inOrder.entries()) {
      const file = sent[Number(image.job_id.slice(batch.length + 1))]!
      assert.ok(files[at]!.bytes.equals(file.bytes), image.name)
      assert.ok(Math.abs(files[at]!.modifiedAt.getTime() - Date.parse(image.uploaded_at)) <= 2_000)
    }
    assert.equal(new Set(files.map(({ name }) => name.toLowerCase())).size, sent.length)
    const plain = names(files).map((name) => name.replace(/ \(\d\)/, '').toLowerCase())
    const expected = ['photo.jpg', 'photo.jpg', 'photo.jpg', '.._.._.._escape.jpg', 'größe 写真 📷.jpg', 'damaged.jpg', 'picture.png']
    assert.deepEqual(plain.sort(), expected.sort())
    assert.equal(headers.get('content-type'), 'application/zip')
    assert.match(headers.get('content-disposition')!, /^attachment; filename="calotype-\d{4}-\d\d-\d\d\.zip"$/)
    assert.equal(headers.get('cache-control'), 'no-store')
  })

  test('of everything, or of what a filter leaves, in its order', async () => {
    assert.equal((await download(PATH)).files.length, sent.length + 1)
    assert.equal((await download(`${PATH}?q=PHOTO&format=jpeg&status=completed&sort=-size`)).files.length, 3)
    assert.deepEqual(names((await download(`${PATH}?format=png`)).files), ['picture.png'])
    assert.deepEqual(names((await download(`${PATH}?status=error&limit=1`)).files), ['damaged.jpg'])
    const bySize = (await download(`${PATH}?sort=size`)).files.map(({ size }) => size)
    assert.deepEqual(
      bySize,
      bySize.toSorted((a, b) => a - b),
    )
  })

  test('of these ids, in this order; those that are not there are passed over', async () => {
    const chosen = [all[3]!, all[0]!, all[5]!]
    const ids = chosen.map(({ id }) => id)
    const strangers = Array.from({ length: 20_000 }, (_, at) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`)
    for (const { files } of [
      await download(`${PATH}?${ids.map((id) => `id=${id}`).join('&')}`),
      await download(PATH, form(ids)),
      await download(PATH, form([ids[0]!, ...strangers, ids[1]!, ids[2]!, ids[0]!])),
    ])
      assert.deepEqual(
        files.map(({ size }) => size),
        chosen.map(({ size }) => size),
      )
    assert.equal((await download(`${PATH}?id=${ids[0]}`)).files.length, 1)
  })

  test('what makes no sense is refused, before there is an archive', async () => {
    const id = all[0]!.id
    const unknown = '11111111-2222-4333-8444-555555555555'
    const text = { method: 'POST', body: `id=${id}`, headers: { 'content-type': 'text/plain' } }
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const flood = { method: 'POST', body: 'id&'.repeat(1_300_000), headers, signal: AbortSignal.timeout(20_000) }
    for (const [path, init, status, code, sentence] of [
      [`${PATH}?q=nothing-like-it`, {}, 404, 'not_found', /Choose others/],
      [`${PATH}?id=${unknown}`, {}, 404, 'not_found', /Choose others/],
      [`${PATH}?id=1`, {}, 400, 'bad_request', /"id/],
      [`${PATH}?id=${id}&q=photo`, {}, 400, 'bad_request', /either ids or a filter/],
      [`${PATH}?status=lost`, {}, 400, 'bad_request', /"status"/],
      [PATH, form([]), 400, 'bad_request', /ids/],
      [PATH, form(['1']), 400, 'bad_request', /"id/],
      [PATH, form(Array.from({ length: 100_001 }, () => id)), 400, 'bad_request', /100000/],
      [PATH, form(Array.from({ length: 105_000 }, () => id)), 413, 'file_too_large', /larger/],
      // A minute's work, should each be looked at.
      [PATH, flood, 400, 'bad_request', /100000/],
      [PATH, text, 400, 'bad_request', /x-www-form-urlencoded/],
      [PATH, { method: 'DELETE' }, 405, 'method_not_allowed', /GET, HEAD, POST/],
    ] as const) {
      const { status: said, body, text: all } = await ask<ApiError>(server, path, init)
      assert.deepEqual([said, body.code], [status, code], `${path}: ${all.slice(0, 300)}`)
      assert.match(body.error, sentence)
    }
  })

  test('a page of another site can not have one made', async () => {
    const { status, body } = await ask<ApiError>(server, PATH, { ...form([all[0]!.id]), headers: { origin: 'https://evil.example' } })
    assert.deepEqual([status, body.code], [403, 'origin_not_allowed'])
  })

  test('HEAD tells what it would be', async () => {
    const answer = await fetch(server.url + PATH, { method: 'HEAD' })
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/zip'])
    assert.equal((await fetch(`${server.url}${PATH}?q=nothing-like-it`, { method: 'HEAD' })).status, 404)
  })

  test('a file that is gone from the store breaks the download, however it is asked for', async () => {
    const lost = all.find(({ name }) => name === 'picture.png')!
    const [row] = await query<{ sha256: string }>(server, `select sha256 from images where id = '${lost.id}'`)
    await unlink(join(server.dataDir, 'originals', row!.sha256.slice(0, 2), row!.sha256))
    const whole = async (init?: RequestInit, path = PATH) => (await fetch(server.url + path, init)).arrayBuffer()
    const ids = all.filter(({ id }) => id !== lost.id).map(({ id }) => id)
    await assert.rejects(whole({}, `${PATH}?sort=-size`))
    await assert.rejects(whole(form([...ids, lost.id])))
    assert.equal((await download(PATH, form(ids))).files.length, ids.length)
    const { status, body } = await ask<ApiError>(server, `${PATH}?id=${lost.id}`)
    assert.deepEqual([status, body.code], [500, 'original_missing'])
    assert.match(body.error, /picture\.png/)
  })
})

// Embedded alone: it is about the memory of the one server.
describe('memory', () => {
  test(`an archive of ${LARGE_FILES} files of ${LARGE_FILE_BYTES / 2 ** 20} MiB`, async (t) => {
    await using server = await startServer()
    for (let seed = 0; seed < LARGE_FILES; seed++) {
      const picture = part('image', `${seed}.jpg`, await smallPhotograph({ seed, bytes: LARGE_FILE_BYTES }))
      const { status, text } = await post(server, { path: '/api/upload', body: Buffer.concat([picture, END_OF_PARTS]) })
      assert.equal(status, 200, text)
    }
    let received = 0
    const growth = await growthDuring(server, async () => {
      const { body } = await fetch(server.url + PATH)
      for await (const chunk of body!) received += chunk.length
    })
    t.diagnostic(`the server grew by ${growth.toFixed(0)} MB for ${(received / 1e6).toFixed(0)} MB`)
    assert.ok(received > LARGE_FILES * LARGE_FILE_BYTES)
    assert.ok(growth <= MOST_GROWTH_MB, `${growth} MB`)
  })
})
