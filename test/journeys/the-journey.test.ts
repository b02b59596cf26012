// One photograph through everything: in, developed, watched, listed, back out, deleted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import type { ApiImage } from '../../src/api/images.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import { ask, eventually, listImages, upload, watch } from '../support/clients/client.ts'
import { audit } from '../support/servers/data-dir.ts'
import { photograph } from '../support/inputs/photographs.ts'
import { onEachTopology } from '../support/servers/topologies.ts'

const bytesOf = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers })
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
}

onEachTopology({ BLOB_GRACE_SECONDS: '0' }, (server) => {
  test('one photograph through the whole journey', async (t) => {
    // Lying on its side, taken with a camera that says so, and where.
    const upright = await photograph({ seed: 1, megapixels: 4 })
    const original = await sharp(upright)
      .withExif({ IFD0: { Copyright: 'Nobody' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } })
      .withMetadata({ orientation: 6 })
      .toBuffer()
    const before = await sharp(original).metadata()
    using watching = await watch(server)
    let image!: ApiImage

    await t.test('the feed greets', () => {
      assert.equal(watching.greeting.message, 'You are connected!')
      assert.equal(watching.greeting.status, 'ok')
    })

    await t.test('the upload answers with the developed image', async () => {
      const answer = await upload(server, 'sync', [{ name: 'holiday.jpg', bytes: original }])
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.body.message, 'Image uploaded successfully')
      image = answer.body.image
      const { name, type, size, status, error, code, width } = image
      assert.deepEqual(
        { name, type, size, status, error, code, width },
        { name: 'holiday.jpg', type: 'image/jpeg', size: original.length, status: 'completed', error: null, code: null, width: 1500 },
      )
      assert.equal(image.height, Math.round((1500 * before.width) / before.height))
      assert.match(image.job_id, /^[0-9a-f-]{36}-0$/)
      assert.match(image.upload_time!, /^\d+\.\d seconds$/)
      assert.ok(Buffer.from(image.thumbhash!, 'base64').length > 5)
      assert.ok(Date.parse(image.uploaded_at) <= Date.parse(image.finished_at!))
    })

    await t.test('the feed told of each state, in order', async () => {
      await eventually('completed was told', async () => watching.messages.some(({ status }) => status === 'completed'))
      assert.deepEqual(
        watching.messages.map(({ type, status, id, job_id }) => ({ type, status, id, job_id })),
        ['pending', 'processing', 'completed'].map((status) => ({
          type: 'send_upload_notification',
          status,
          id: image.id,
          job_id: image.job_id,
        })),
      )
      assert.equal(watching.messages.at(-1)!.image, image.image)
    })

    await t.test('the list and its own address show the same image', async () => {
      assert.deepEqual(await listImages(server), [image])
      assert.deepEqual((await ask<ApiImage>(server, `/api/images/${image.id}`)).body, image)
      assert.deepEqual((await ask<ApiImage[]>(server, '/api/images?limit=10')).body, [image])
    })

    await t.test('the developed image comes whole, upright, and without what the camera wrote', async () => {
      assert.match(image.image!, new RegExp(`^/media/images/${image.id}-${RECIPE.id}\\.jpg$`))
      const { status, headers, bytes } = await bytesOf(server.url + image.image)
      assert.equal(status, 200)
      assert.equal(headers.get('content-type'), 'image/jpeg')
      assert.match(headers.get('cache-control')!, /immutable/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'; sandbox")
      const after = await sharp(bytes).metadata()
      assert.deepEqual([after.format, after.width, after.height], ['jpeg', image.width, image.height])
      assert.equal(after.exif, undefined)
      assert.equal(after.orientation, undefined)
    })

    await t.test('a part of it, and nothing where it is known', async () => {
      const whole = await bytesOf(server.url + image.image)
      const etag = whole.headers.get('etag')!
      assert.match(etag, /^"[^"]+"$/)
      const known = await bytesOf(server.url + image.image, { 'if-none-match': etag })
      assert.deepEqual([known.status, known.bytes.length], [304, 0])
      const part = await bytesOf(server.url + image.image, { range: 'bytes=100-199' })
      assert.equal(part.status, 206)
      assert.equal(part.headers.get('content-range'), `bytes 100-199/${whole.bytes.length}`)
      assert.deepEqual(part.bytes, whole.bytes.subarray(100, 200))
      const beyond = await bytesOf(server.url + image.image, { range: `bytes=${whole.bytes.length}-` })
      assert.equal(beyond.status, 416)
    })

    await t.test('the thumbnail is a WebP, 320 px wide', async () => {
      const { status, headers, bytes } = await bytesOf(server.url + image.thumbnail)
      assert.equal(status, 200)
      assert.equal(headers.get('content-type'), 'image/webp')
      const { format, width, height } = await sharp(bytes).metadata()
      assert.equal(format, 'webp')
      assert.deepEqual([width, height], [320, Math.round((320 * image.height!) / image.width!)])
    })

    await t.test('the original comes back as it was sent, as an attachment', async () => {
      const { status, headers, bytes } = await bytesOf(`${server.url}/api/images/${image.id}/original`)
      assert.equal(status, 200)
      assert.match(headers.get('content-disposition')!, /^attachment; filename="holiday\.jpg"/)
      assert.ok(bytes.equals(original))
    })

    await t.test('what is deleted is gone: the row at once, the bytes with the next sweep', async () => {
      assert.equal((await ask(server, `/api/images/${image.id}`, { method: 'DELETE' })).status, 204)
      for (const path of [`/api/images/${image.id}`, `/api/images/${image.id}/original`, image.image!, image.thumbnail!]) {
        const answer = await ask<{ code: string }>(server, path)
        assert.deepEqual([answer.status, answer.body.code], [404, 'not_found'], path)
      }
      assert.equal((await ask(server, `/api/images/${image.id}`, { method: 'DELETE' })).status, 404)
      assert.deepEqual(await listImages(server), [])
      await eventually(
        'the bytes are gone',
        async () => {
          const { originals, renditions, temporary } = await audit(server)
          return originals.length + renditions.length + temporary.length === 0
        },
        15_000,
      )
    })
  })
})
