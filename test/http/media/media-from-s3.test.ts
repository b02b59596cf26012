// Bytes that clients fetch from the bucket itself: they are told where, and get the same as from a server.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fastify, type FastifyInstance } from 'fastify'
import { mediaRoutes } from '../../../src/http/media/media.ts'
import { answerProblems, problemOptions } from '../../../src/http/hooks/problem.ts'
import { originalKey, renditionKey } from '../../../src/rendition/keys.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import type { BlobStore } from '../../../src/store/blob-store.ts'
import { openS3Store } from '../../../src/store/s3/s3.ts'
import { identifyByHeader, WHO } from '../../support/clients/principals.ts'
import { identifyEveryone } from '../../support/clients/principals.ts'
import { startS3, type S3Server } from '../../support/engines/s3.ts'
import { operationFor, sampleImage } from '../../support/inputs/sample-image.ts'
import { createMediaRows } from './media-rows.ts'

describe('media from S3, with S3_PUBLIC_ENDPOINT', () => {
  const original = randomBytes(5_000)
  const developed = randomBytes(3_000)
  const rows = createMediaRows()
  const image = rows.addCompleted(sampleImage({ name: 'Été "1".jpg', sha256: 'ab'.repeat(32), size: original.length }), {
    image: developed.length,
  })
  let s3: S3Server
  let stagingFolder: string
  let blobs: BlobStore
  let app: FastifyInstance
  let url: string

  before(async () => {
    s3 = await startS3()
    stagingFolder = await mkdtemp(join(tmpdir(), 'calotype-s3-staging-'))
    // The servers' own way to the bucket is another one than that of clients.
    const publicEndpoint = s3.settings.endpoint.replace('127.0.0.1', 'localhost')
    blobs = await openS3Store({ ...s3.settings, stagingFolder, publicEndpoint })
    for (const [key, bytes] of [
      [originalKey(image.sha256), original],
      [renditionKey(image.sha256, operationFor('image')), developed],
    ] as const) {
      const staged = blobs.stage()
      await writeFile(staged, bytes)
      await blobs.put(staged, key)
    }
    app = fastify(problemOptions)
    answerProblems(app)
    identifyEveryone(app)
    await app.register(mediaRoutes, {
      images: rows.images,
      renditions: rows.renditions,
      recipe: RECIPE,
      blobs,
      onLoss: () => undefined,
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  })
  after(async () => {
    await app?.close()
    await blobs?.close()
    await rm(stagingFolder, { recursive: true })
    await s3?.stop()
  })

  const developedPath = `/media/images/${image.id}-${image.recipe}.jpg`
  const locationOf = async (path: string, method = 'GET') => {
    const answer = await fetch(url + path, { method, redirect: 'manual' })
    assert.equal(answer.status, 302)
    return { location: new URL(answer.headers.get('location')!), cacheControl: answer.headers.get('cache-control') }
  }

  it('a developed image is fetched from there, with its type and for ever', async () => {
    const { location, cacheControl } = await locationOf(developedPath)
    assert.equal(location.hostname, 'localhost')
    assert.equal(cacheControl, 'private, max-age=900')
    assert.equal(location.searchParams.get('X-Amz-Expires'), '1800')
    assert.match(location.searchParams.get('X-Amz-Signature')!, /^[0-9a-f]{64}$/)
    const answer = await fetch(location)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'image/jpeg')
    assert.match(answer.headers.get('cache-control')!, /immutable/)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(developed))
  })

  it('a client that follows gets a part, too', async () => {
    const answer = await fetch(url + developedPath, { headers: { range: 'bytes=100-199' } })
    assert.equal(answer.status, 206)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(developed.subarray(100, 200)))
  })

  it('an original is a download under its name', async () => {
    const answer = await fetch(`${url}/api/images/${image.id}/original`)
    assert.match(answer.headers.get('content-disposition')!, /^attachment; filename="_t_ _1_\.jpg"; filename\*=UTF-8''%C3%89t%C3%A9/)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(original))
  })

  it('HEAD has a link of its own', async () => {
    const [get, head] = [await locationOf(developedPath), await locationOf(developedPath, 'HEAD')]
    assert.notEqual(head.location.searchParams.get('X-Amz-Signature'), get.location.searchParams.get('X-Amz-Signature'))
    assert.equal((await fetch(head.location, { method: 'HEAD' })).headers.get('content-length'), String(developed.length))
  })

  it('what is not there is not found here already', async () => {
    const answer = await fetch(`${url}/media/images/${crypto.randomUUID()}-${image.recipe}.jpg`, { redirect: 'manual' })
    assert.equal(answer.status, 404)
  })

  it('where media are private, only who sees the image is told where it is, and asks each time', async () => {
    const owned = createMediaRows()
    owned.addCompleted({ ...image, ownerId: 'ann' }, { image: developed.length })
    const guarded = fastify(problemOptions)
    answerProblems(guarded)
    identifyByHeader(guarded)
    await guarded.register(mediaRoutes, { ...owned, recipe: RECIPE, blobs, mediaAccess: 'private', onLoss: () => undefined })
    try {
      for (const path of [developedPath, `/api/images/${image.id}/original`]) {
        for (const [who, status] of [
          ['ann', 302],
          ['root', 302],
          ['ben', 404],
          ['guest', 404],
        ] as const) {
          const answer = await guarded.inject({ url: path, headers: { [WHO]: who } })
          assert.equal(answer.statusCode, status, `${who} ${path}`)
          assert.equal(answer.headers.location === undefined, status === 404)
          if (status === 302) assert.equal(answer.headers['cache-control'], 'private, no-cache')
        }
      }
    } finally {
      await guarded.close()
    }
  })

  it('an endpoint that is no URL is refused by name', async () => {
    await assert.rejects(openS3Store({ ...s3.settings, stagingFolder, publicEndpoint: 'images.example.org' }), {
      name: 'StartError',
      message: /^S3_PUBLIC_ENDPOINT is "images\.example\.org"/,
    })
  })
})
