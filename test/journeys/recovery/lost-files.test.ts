// Files that the store has lost, or no longer has as they were: who asks is told so, is never sent other bytes, and the doctor agrees.
import assert from 'node:assert/strict'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import { originalKey, renditionKey } from '../../../src/rendition/keys.ts'
import { ask, eventually, upload } from '../../support/clients/client.ts'
import { doctor } from '../../support/servers/command.ts'
import { query } from '../../support/servers/data-dir.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { operationFor } from '../../support/inputs/sample-image.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const LARGE_BYTES = 3_000_000

onEachTopology({}, (calotype) => {
  let seed = 900
  const at = (key: string) => join(calotype.dataDir, key)

  /** A developed image, and where its files are. */
  async function developed(bytes?: number) {
    const original = await smallPhotograph({ seed: seed++, ...(bytes !== undefined && { bytes }) })
    const { status, body, text } = await upload(calotype, 'sync', [{ name: `${seed}.jpg`, bytes: original }])
    assert.equal(status, 200, text)
    const { image } = body
    const [row] = await query<{ sha256: string }>(calotype, `select sha256 from images where id = '${image.id}'`)
    const { sha256 } = row!
    const [imageKey, thumbnailKey] = ['image', 'thumbnail'].map((preset) => renditionKey(sha256, operationFor(preset)))
    const keys = { original: originalKey(sha256), image: imageKey!, thumbnail: thumbnailKey! }
    return { image, original, keys, download: `/api/images/${image.id}/original` }
  }
  async function flip(key: string) {
    const bytes = await readFile(at(key))
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(at(key), bytes)
  }
  const finished = (id: string) =>
    eventually('it is developed again', async () => {
      const { body } = await ask<ApiImage>(calotype, `/api/images/${id}`)
      return body.status !== 'pending' && body.status !== 'processing' && body
    })
  async function says(path: string, code: string, init?: RequestInit) {
    const { status, body, text, headers } = await ask<ApiError>(calotype, path, init)
    assert.deepEqual([status, body?.code], [500, code], text)
    assert.match(body.error, /missing|no longer/)
    assert.equal(headers['cache-control'], 'no-store')
  }
  const statusOf = async (path: string, init: RequestInit) => (await fetch(calotype.url + path, init)).status
  const range = { headers: { range: 'bytes=0-9' } }
  const isLogged = (code: string, id: string) =>
    eventually(`the log says ${code}`, async () => {
      return new RegExp(`"code":"${code}","image":"${id}".*run calotype doctor`).test(calotype.log())
    })

  test('an original that is gone', async () => {
    for (const { image, keys, download } of [await developed(), await developed(LARGE_BYTES)]) {
      await rm(at(keys.original))
      await says(download, 'original_missing')
      await says(download, 'original_missing', range)
      assert.equal(await statusOf(download, { method: 'HEAD' }), 500)
      await says(`/api/images/archive?id=${image.id}`, 'original_missing')
      await isLogged('original_missing', image.id)
    }
  })

  test('an original with a bit that flipped', async () => {
    const small = await developed()
    await flip(small.keys.original)
    await says(small.download, 'original_damaged')
    await says(small.download, 'original_damaged', range)
    await says(`/api/images/archive?id=${small.image.id}`, 'original_damaged')

    const large = await developed(LARGE_BYTES)
    await flip(large.keys.original)
    let received = 0
    await assert.rejects(async () => {
      const { body } = await fetch(calotype.url + large.download)
      for await (const chunk of body!) received += chunk.length
    })
    assert.ok(received < LARGE_BYTES, `${received} bytes came`)
    await assert.rejects(async () => (await fetch(`${calotype.url}/api/images/archive?id=${large.image.id}`)).arrayBuffer())
    for (const { image } of [small, large]) await isLogged('original_damaged', image.id)
  })

  test('developed images and thumbnails that are gone or shorter', async () => {
    const gone = await developed()
    await rm(at(gone.keys.image))
    await rm(at(gone.keys.thumbnail))
    for (const path of [gone.image.image!, gone.image.thumbnail!]) {
      await says(path, 'rendition_missing')
      assert.equal(await statusOf(path, { method: 'HEAD' }), 500)
    }
    const short = await developed()
    await truncate(at(short.keys.image), 1_000)
    await assert.rejects(async () => (await fetch(calotype.url + short.image.image!)).arrayBuffer())
    for (const { image } of [gone, short]) await isLogged('rendition_missing', image.id)
  })

  test('an original that went bad before it was developed is not called a bad image', async () => {
    const { image, original, keys } = await developed()
    await writeFile(at(keys.original), original.subarray(0, 3_000))
    await rm(at(keys.image))
    // The doctor reads no original whole here, and has the image developed again.
    await truncate(at(keys.original), original.length)
    await doctor(calotype.env, '--repair', '--sample', '0')
    const { status, code } = await finished(image.id)
    assert.deepEqual([status, code], ['error', 'original_damaged'])
  })

  test('the doctor finds each of them, mends what can be mended, and then they are there again', async () => {
    const { image, original, keys, download } = await developed()
    await rm(at(keys.image))
    await rm(at(keys.thumbnail))
    const { findings } = await doctor(calotype.env)
    const codes = new Set(findings.map(({ code }) => code))
    assert.ok(codes.has('rendition_missing'))
    await doctor(calotype.env, '--repair')
    assert.equal((await finished(image.id)).status, 'completed')
    assert.equal(await statusOf(image.image!, {}), 200)
    assert.ok(Buffer.from(await (await fetch(calotype.url + download)).arrayBuffer()).equals(original))
  })
})
