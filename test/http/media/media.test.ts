// Bytes over HTTP: the right ones, with the right headers, and nothing else of the disk.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { fastify, type FastifyInstance } from 'fastify'
import sharp from 'sharp'
import { attachment, mediaRoutes } from '../../../src/http/media/media.ts'
import { MAX_CHECKED_FIRST_BYTES } from '../../../src/flow/images/read-original.ts'
import { answerProblems, problemOptions } from '../../../src/http/hooks/problem.ts'
import { addSecurityHeaders } from '../../../src/http/hooks/security-headers.ts'
import { type Image } from '../../../src/image.ts'
import { originalKey, renditionKey } from '../../../src/rendition/keys.ts'
import { PRESETS, RECIPE, recipeOf } from '../../../src/rendition/presets.ts'
import type { BlobStore } from '../../../src/store/blob-store.ts'
import { openFilesystemStore } from '../../../src/store/filesystem/filesystem.ts'
import { identifyEveryone } from '../../support/clients/principals.ts'
import { operationFor, sampleImage } from '../../support/inputs/sample-image.ts'
import { createMediaRows } from './media-rows.ts'

/** One preset more than the built-in ones. */
const WITH_PREVIEW = recipeOf({ ...PRESETS, preview: { width: 640, format: 'avif' } })

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe('media', () => {
  let folder: string
  let blobs: BlobStore
  let app: FastifyInstance
  let port: number
  const rows = createMediaRows(WITH_PREVIEW)
  /** Developed, of 64,000 bytes or so; one of 20 MB; one that waits. */
  let photograph: Image
  let large: Image
  let pending: Image
  let developed: Buffer
  let thumbnail: Buffer
  const original = randomBytes(5000)
  const losses: string[] = []

  async function put(key: string, bytes: Buffer): Promise<void> {
    const staged = blobs.stage()
    await writeFile(staged, bytes)
    await blobs.put(staged, key)
  }

  const add = (image: Image, imageSize: number, thumbnailSize: number) =>
    rows.addCompleted(image, { image: imageSize, thumbnail: thumbnailSize })
  const putRendition = ({ sha256, format }: Image, preset: string, bytes: Buffer) =>
    put(renditionKey(sha256, operationFor(preset, format, WITH_PREVIEW)), bytes)

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'calotype-media-'))
    blobs = await openFilesystemStore(folder)
    const noise = sharp({
      create: { width: 300, height: 200, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 60 }, background: 'gray' },
    })
    developed = await noise.clone().jpeg({ quality: 95 }).toBuffer()
    thumbnail = await noise.clone().resize(32).webp().toBuffer()
    photograph = add(
      sampleImage({ name: 'Été 🖼.jpg', size: original.length, sha256: hashOf(original) }),
      developed.length,
      thumbnail.length,
    )
    await putRendition(photograph, 'image', developed)
    await putRendition(photograph, 'thumbnail', thumbnail)
    await put(originalKey(photograph.sha256), original)
    large = add(sampleImage({ sha256: 'bb'.repeat(32), format: 'png' }), 20e6, 10)
    await putRendition(large, 'image', randomBytes(20e6))
    pending = rows.add(sampleImage({ sha256: 'cc'.repeat(32) }))

    app = fastify(problemOptions)
    answerProblems(app)
    addSecurityHeaders(app)
    identifyEveryone(app)
    await app.register(mediaRoutes, {
      images: rows.images,
      renditions: rows.renditions,
      recipe: WITH_PREVIEW,
      blobs,
      onLoss: ({ code }) => void losses.push(code),
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    port = (app.server.address() as AddressInfo).port
  })

  after(async () => {
    await app.close()
    await blobs.close()
    await rm(folder, { recursive: true })
  })

  const imagePath = () => `/media/images/${photograph.id}-${RECIPE.id}.jpg`
  const thumbnailPath = () => `/media/thumbnails/${photograph.id}-${RECIPE.id}.webp`
  const originalPath = () => `/api/images/${photograph.id}/original`

  /** Over a socket of its own, with the path exactly as given. */
  async function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const asked = httpRequest({ host: '127.0.0.1', port, path, headers, method, agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    return {
      status: response.statusCode,
      headers: response.headers,
      body,
      code: () => (JSON.parse(body.toString()) as { code: string }).code,
    }
  }

  it('serves the developed image, its thumbnail and the original, byte for byte', async () => {
    for (const [path, bytes, type] of [
      [imagePath(), developed, 'image/jpeg'],
      [thumbnailPath(), thumbnail, 'image/webp'],
      [originalPath(), original, 'image/jpeg'],
    ] as const) {
      const answer = await ask(path)
      assert.equal(answer.status, 200)
      assert.ok(answer.body.equals(bytes), path)
      assert.equal(answer.headers['content-type'], type)
      assert.equal(answer.headers['content-length'], String(bytes.length))
      assert.equal(answer.headers['accept-ranges'], 'bytes')
      assert.equal(answer.headers['x-content-type-options'], 'nosniff')
      assert.equal(answer.headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'; sandbox")
      assert.match(String(answer.headers.etag), /^"[0-9a-f]{32}"$/)
    }
  })

  it('serves each further preset from a folder of its own, with the type of its format', async () => {
    const bytes = randomBytes(3_000)
    const image = rows.addCompleted(sampleImage({ sha256: 'ab'.repeat(32), recipe: WITH_PREVIEW.id }), { image: 1, preview: bytes.length })
    await putRendition(image, 'preview', bytes)
    const answer = await ask(`/media/preview/${image.id}-${WITH_PREVIEW.id}.avif`)
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(bytes))
    assert.equal(answer.headers['content-type'], 'image/avif')
    // Uploaded before there was this preset.
    assert.equal((await ask(`/media/preview/${photograph.id}-${RECIPE.id}.avif`)).status, 404)
  })

  it('serves what was uploaded under another recipe by the name that has, and by no other', async () => {
    const bytes = randomBytes(3_000)
    const image = add(sampleImage({ sha256: 'ba'.repeat(32), recipe: 'v1' }), bytes.length, 10)
    await putRendition(image, 'image', bytes)
    const answer = await ask(`/media/images/${image.id}-v1.jpg`)
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(bytes))
    assert.equal((await ask(`/media/images/${image.id}-${RECIPE.id}.jpg`)).status, 404)
  })

  it('lets every cache keep images for ever, and no shared one originals', async () => {
    const [image, download] = [await ask(imagePath()), await ask(originalPath())]
    assert.equal(image.headers['cache-control'], 'public, max-age=31536000, immutable')
    assert.equal(image.headers['cross-origin-resource-policy'], 'cross-origin')
    assert.equal(image.headers['content-disposition'], undefined)
    assert.equal(download.headers['cache-control'], 'private, no-cache')
    assert.equal(download.headers['cross-origin-resource-policy'], 'same-origin')
    assert.equal(
      download.headers['content-disposition'],
      `attachment; filename="_t_ _.jpg"; filename*=UTF-8''%C3%89t%C3%A9%20%F0%9F%96%BC.jpg`,
    )
  })

  it('tells no hash of the content', async () => {
    for (const path of [imagePath(), thumbnailPath(), originalPath()])
      assert.doesNotMatch(JSON.stringify((await ask(path)).headers), new RegExp(photograph.sha256.slice(0, 16)))
  })

  it('has an ETag for each of its bytes', async () => {
    const etags = [imagePath(), thumbnailPath(), originalPath(), `/media/images/${large.id}-${RECIPE.id}.png`]
    assert.equal(new Set(await Promise.all(etags.map(async (path) => (await ask(path, {}, 'HEAD')).headers.etag))).size, 4)
  })

  it('answers HEAD with the headers alone, ranges left aside', async () => {
    const [get, head] = [await ask(imagePath()), await ask(imagePath(), { range: 'bytes=0-9' }, 'HEAD')]
    assert.equal(head.status, 200)
    assert.equal(head.body.length, 0)
    const { date: _, connection: __, ...rest } = get.headers
    for (const [name, value] of Object.entries(rest)) assert.equal(head.headers[name], value, name)
  })

  it('answers 304 to who has it', async () => {
    const etag = String((await ask(imagePath())).headers.etag)
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await ask(imagePath(), { 'if-none-match': known, range: 'bytes=0-1' })
      assert.equal(answer.status, 304, known)
      assert.equal(answer.body.length, 0)
      assert.equal(answer.headers.etag, etag)
      assert.match(String(answer.headers['cache-control']), /immutable/)
    }
    assert.equal((await ask(imagePath(), { 'if-none-match': '"other"' })).status, 200)
    assert.equal((await ask(imagePath(), { 'if-none-match': etag }, 'HEAD')).status, 304)
  })

  it('serves a range', async () => {
    const size = developed.length
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 0],
      ['bytes=10-99', 10, 99],
      ['bytes=100-', 100, size - 1],
      ['bytes=-7', size - 7, size - 1],
      [`bytes=-${size + 5}`, 0, size - 1],
      [`bytes=${size - 1}-${size * 9}`, size - 1, size - 1],
    ] as const) {
      const answer = await ask(imagePath(), { range })
      assert.equal(answer.status, 206, range)
      assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${size}`)
      assert.equal(answer.headers['content-length'], String(end - start + 1))
      assert.ok(answer.body.equals(developed.subarray(start, end + 1)), range)
    }
  })

  it('serves the whole to several ranges, and to what is no range', async () => {
    for (const range of [
      'bytes=0-1,5-6',
      'bytes=0-1,99999999-',
      'bytes=99999999-,88888888-',
      'bytes=9-5',
      'bytes=-',
      'bytes=a-b',
      'bytes=',
      'pixels=0-1',
      'nonsense',
      'bytes=1e3-',
    ]) {
      const answer = await ask(imagePath(), { range })
      assert.equal(answer.status, 200, range)
      assert.ok(answer.body.equals(developed))
    }
  })

  it('answers 416 to a range that lies outside', async () => {
    for (const range of [`bytes=${developed.length}-`, 'bytes=-0', `bytes=${'9'.repeat(400)}-`]) {
      const answer = await ask(imagePath(), { range })
      assert.equal(answer.status, 416, range)
      assert.equal(answer.code(), 'range_not_satisfiable')
      assert.equal(answer.headers['content-range'], `bytes */${developed.length}`)
      assert.equal(answer.headers['cache-control'], 'no-store')
    }
  })

  it('serves a range only if it is still of the same bytes', async () => {
    const etag = String((await ask(imagePath())).headers.etag)
    assert.equal((await ask(imagePath(), { range: 'bytes=0-1', 'if-range': etag })).status, 206)
    for (const other of ['"other"', `W/${etag}`, new Date().toUTCString()])
      assert.equal((await ask(imagePath(), { range: 'bytes=0-1', 'if-range': other })).status, 200, other)
  })

  it('answers 404 to every name but its own', async () => {
    const { id } = photograph
    const none = randomUUID()
    const files = [
      'none.jpg',
      id,
      `${id}-`,
      `${id}.jpg`,
      `${id}-v1.jpg`,
      `${id}-${RECIPE.id}0.jpg`,
      `${id}-${RECIPE.id}.png`,
      `${id}-${RECIPE.id}.jpeg`,
      `${id}-${RECIPE.id}`,
      `${id}-${RECIPE.id}.jpg.`,
      `${id}-${RECIPE.id}.jpg%00`,
    ]
    files.push(
      `${id.toUpperCase()}-${RECIPE.id}.jpg`,
      `${id}-${RECIPE.id}.webp`,
      `${none}-${RECIPE.id}.jpg`,
      `${pending.id}-${RECIPE.id}.jpg`,
      `x${id}-${RECIPE.id}.jpg`,
      `${id}-${RECIPE.id}.jpg%0d%0ax:y`,
    )
    files.push(
      '..%2f..%2fpackage.json',
      '%2e%2e%2f%2e%2e%2foriginals',
      `..%2f${id}-${RECIPE.id}.jpg`,
      `../images/..;/${id}-${RECIPE.id}.jpg`,
      '..\\..\\package.json',
      '%5c..%5c',
    )
    files.push(`%2fetc%2fpasswd`, `${photograph.sha256}-${RECIPE.id}.jpg`, 'x'.repeat(3000))
    for (const file of files) {
      const answer = await ask(`/media/images/${file}`)
      assert.equal(answer.status, 404, file)
      assert.equal(answer.code(), 'not_found')
      assert.equal(answer.headers['cache-control'], 'no-store')
      assert.equal(answer.headers.etag, undefined)
    }
    for (const path of [
      `/media/thumbnails/${id}-${RECIPE.id}.jpg`,
      `/media/thumbnails/${pending.id}-${RECIPE.id}.webp`,
      `/api/images/${none}/original`,
      '/api/images/..%2f/original',
    ])
      assert.equal((await ask(path)).status, 404, path)
    assert.equal((await ask(`/media/images/${none}-${RECIPE.id}.jpg`, {}, 'HEAD')).status, 404)
  })

  it('says what is lost, cached by nobody, when the bytes are gone', async () => {
    const gone = add(sampleImage({ sha256: 'dd'.repeat(32) }), 10, 10)
    for (const [path, code] of [
      [`/media/images/${gone.id}-${RECIPE.id}.jpg`, 'rendition_missing'],
      [`/media/thumbnails/${gone.id}-${RECIPE.id}.webp`, 'rendition_missing'],
      [`/api/images/${gone.id}/original`, 'original_missing'],
    ] as const) {
      for (const headers of [{}, { range: 'bytes=0-1' }]) {
        const answer = await ask(path, headers)
        assert.deepEqual([answer.status, answer.code()], [500, code])
        assert.equal(answer.headers['cache-control'], 'no-store')
        assert.equal(answer.headers['content-disposition'], undefined)
      }
      assert.equal((await ask(path, {}, 'HEAD')).status, 500)
      assert.deepEqual(losses.splice(0), [code, code, code])
    }
  })

  /** Originals with these bytes in the place of those that were uploaded. */
  async function damaged(uploaded: Buffer, kept: Buffer) {
    const image = add(sampleImage({ size: uploaded.length, sha256: hashOf(uploaded) }), 10, 10)
    await put(originalKey(image.sha256), kept)
    return `/api/images/${image.id}/original`
  }
  const flipped = (bytes: Buffer) => {
    const copy = Buffer.from(bytes)
    copy[copy.length >> 1]! ^= 1
    return copy
  }

  it('says that a small original is damaged before it sends any of it', async () => {
    const bytes = randomBytes(MAX_CHECKED_FIRST_BYTES)
    for (const kept of [flipped(bytes), bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(0)]) {
      const path = await damaged(bytes, kept)
      for (const headers of [{}, { range: 'bytes=5-9' }]) {
        const answer = await ask(path, headers)
        assert.deepEqual([answer.status, answer.code()], [500, 'original_damaged'])
        assert.deepEqual(losses.splice(0), ['original_damaged'])
      }
      // Of HEAD nothing is read: only the length is looked at.
      assert.equal((await ask(path, {}, 'HEAD')).status, kept.length === bytes.length ? 200 : 500)
      losses.length = 0
    }
  })

  it('breaks off a large original that is damaged before its last bytes, and a range of it that is not there', async () => {
    const bytes = randomBytes(3 * MAX_CHECKED_FIRST_BYTES)
    for (const kept of [flipped(bytes), bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
      const path = await damaged(bytes, kept)
      await assert.rejects(ask(path), { code: 'ECONNRESET' })
      assert.deepEqual(losses.splice(0), ['original_damaged'])
    }
    const path = await damaged(bytes, bytes.subarray(0, 100))
    const answer = await ask(path, { range: 'bytes=50-2000000' })
    assert.deepEqual([answer.status, answer.code()], [500, 'original_damaged'], 'as nothing of it was sent')
    assert.deepEqual(losses.splice(0), ['original_damaged'])
    assert.ok((await ask(path, { range: 'bytes=50-99' })).body.equals(bytes.subarray(50, 100)), 'a range alone can not be checked')
  })

  it('never puts the next answer into one that is shorter than it said', async () => {
    const short = add(sampleImage({ sha256: 'ee'.repeat(32) }), 5_000, 5_000)
    await putRendition(short, 'image', Buffer.alloc(100, 'x'))
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
    socket.write(`GET /media/images/${short.id}-${RECIPE.id}.jpg HTTP/1.1\r\nhost: a\r\n\r\n`.repeat(2))
    await once(socket, 'close')
    const received = Buffer.concat(chunks).toString('latin1')
    assert.equal(received.split('HTTP/1.1 ').length - 1, 1, received)
    for (let i = 0; i < 300 && losses.length === 0; i += 1) await sleep(10)
    assert.ok(losses.splice(0).includes('rendition_missing'))
  })

  it('answers 405 to other methods', async () => {
    const answer = await ask(imagePath(), {}, 'DELETE')
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.allow, 'GET, HEAD')
  })

  it('lets go of the file when a client leaves', async () => {
    // /dev/fd lists them on Linux and macOS; only Linux says which file each is.
    const openFiles = async () => {
      const all = await readdir('/dev/fd')
      if (process.platform !== 'linux') return all.length
      const targets = await Promise.all(all.map((fd) => readlink(`/dev/fd/${fd}`).catch(() => '')))
      return targets.filter((target) => target.startsWith(folder)).length
    }
    const before = await openFiles()
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        await once(socket, 'connect')
        socket.write(`GET /media/images/${large.id}-${RECIPE.id}.png HTTP/1.1\r\nhost: a\r\n\r\n`)
        // Half of them leave at once, before there is an answer.
        if (i % 2 === 0) socket.destroy()
        else {
          await once(socket, 'data')
          socket.pause()
        }
        return socket
      }),
    )
    assert.ok((await openFiles()) >= before + 20, 'the files of those who stay are open')
    for (const socket of sockets) socket.destroy()
    for (let i = 0; i < 300 && (await openFiles()) > before; i += 1) await sleep(10)
    assert.equal(await openFiles(), before)
  })
})

describe('names of downloads', () => {
  const table: [name: string, header: string][] = [
    ['plain.jpg', `attachment; filename="plain.jpg"; filename*=UTF-8''plain.jpg`],
    ['a "quoted" \\ 50%.jpg', `attachment; filename="a _quoted_ _ 50_.jpg"; filename*=UTF-8''a%20%22quoted%22%20_%2050%25.jpg`],
    ['a\r\nset-cookie: x=1\r\n\r\n.jpg', `attachment; filename="aset-cookie: x=1.jpg"; filename*=UTF-8''aset-cookie%3A%20x%3D1.jpg`],
    ['nul\0.jpg', `attachment; filename="nul.jpg"; filename*=UTF-8''nul.jpg`],
    ['../../etc/passwd', `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''.._.._etc_passwd`],
    ["(it's)*!.jpg", `attachment; filename="(it's)*!.jpg"; filename*=UTF-8''%28it%27s%29%2A!.jpg`],
    ['gpj.\u202egnp', `attachment; filename="gpj.gnp"; filename*=UTF-8''gpj.gnp`],
    ['\ud800.jpg', `attachment; filename="_.jpg"; filename*=UTF-8''%EF%BF%BD.jpg`],
    ['👩‍🚀.png', `attachment; filename="___.png"; filename*=UTF-8''%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80.png`],
    ['\0\u0007', `attachment; filename="image"; filename*=UTF-8''image`],
    ['', `attachment; filename="image"; filename*=UTF-8''image`],
  ]
  for (const [name, header] of table)
    it(`sends ${JSON.stringify(name)} safely`, () => {
      assert.equal(attachment(name), header)
    })

  it('keeps a header of any characters whole and printable', () => {
    for (let code = 0; code < 0x10000; code += 1) assert.match(attachment(`a${String.fromCharCode(code)}b`), /^[\x20-\x7e]+$/)
  })

  it('shortens a name of 10 KB, whole characters and extension kept', () => {
    for (const [name, end] of [
      ['x'.repeat(10_000) + '.jpeg', '.jpeg'],
      ['é🖼'.repeat(2000) + '.png', '.png'],
      ['.'.repeat(10_000), ''],
    ] as const) {
      const header = attachment(name)
      const shown = decodeURIComponent(header.slice(header.indexOf("''") + 2))
      assert.ok(Buffer.byteLength(shown) <= 200 && Buffer.byteLength(shown) > 195, `${Buffer.byteLength(shown)} bytes`)
      assert.ok(shown.endsWith(end))
      assert.ok(!shown.includes('\ufffd'))
      assert.ok(name.startsWith(shown.slice(0, shown.length - end.length)))
    }
  })
})
