// Archives over real sockets, with the store behind them doing what stores do: bytes that are gone, short or late, clients that leave.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { get as httpGet, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { fastify, type FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { archiveRoutes } from '../../../src/http/media/archive.ts'
import { answerProblems, problemOptions } from '../../../src/http/hooks/problem.ts'
import { type Image } from '../../../src/image.ts'
import { originalKey } from '../../../src/rendition/keys.ts'
import type { ImageStore } from '../../../src/record/images/image-store.ts'
import type { BlobStore } from '../../../src/store/blob-store.ts'
import { openFilesystemStore } from '../../../src/store/filesystem/filesystem.ts'
import { eventually } from '../../support/clients/client.ts'
import { identifyEveryone } from '../../support/clients/principals.ts'
import { completed, sampleImage } from '../../support/inputs/sample-image.ts'
import { contentOf, inMemory, readZip } from '../../support/clients/zip-reader.ts'

const LARGE = 8 * 1024 * 1024

describe('archives', () => {
  const images = new Map<string, Image>()
  let folder: string
  let blobs: BlobStore
  let app: FastifyInstance
  let port: number
  let breaking: string | null = null
  const losses: string[] = []
  let afterLookUp: () => unknown = () => undefined

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'calotype-archive-'))
    blobs = await openFilesystemStore(folder)
    app = fastify(problemOptions)
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    answerProblems(app)
    identifyEveryone(app)
    // The rows are a map: these tests are about bytes.
    const rows = {
      get: async (id: string) => images.get(id) ?? null,
      getMany: async (ids: string[]) => {
        const found = ids.flatMap((id) => images.get(id) ?? [])
        afterLookUp()
        afterLookUp = () => undefined
        return found
      },
    }
    // A store far away, whose connection for one file breaks as soon as it is there.
    const read: BlobStore['read'] = async (key, range) => {
      const body = await blobs.read(key, range)
      if (key === breaking) body.destroy(new Error('the store broke off'))
      return body
    }
    await app.register(archiveRoutes, {
      images: rows as unknown as ImageStore,
      blobs: { ...blobs, read },
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

  /** Images of these bytes, in the store and in the rows. */
  async function keep(...contents: Buffer[]): Promise<Image[]> {
    const kept: Image[] = []
    for (const bytes of contents) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const image = completed(sampleImage({ id: randomUUID(), sha256, size: bytes.length, name: `${images.size}.jpg` }))
      const staged = blobs.stage()
      await writeFile(staged, bytes)
      await blobs.put(staged, originalKey(sha256))
      images.set(image.id, image)
      kept.push(image)
    }
    return kept
  }

  const query = (wanted: { id: string }[]) => new URLSearchParams(wanted.map(({ id }): [string, string] => ['id', id]))
  const bytesOf = (text: string, length = 1_000) => Buffer.alloc(length, text)
  const fileOf = (image: Image) => join(folder, originalKey(image.sha256))

  async function ask(wanted: { id: string }[]): Promise<IncomingMessage> {
    const path = `/api/images/archive?${query(wanted)}`
    const [answer] = (await once(httpGet({ host: '127.0.0.1', port, path, agent: false }), 'response')) as [IncomingMessage]
    return answer
  }

  async function filesOf(wanted: { id: string }[]): Promise<Record<string, Buffer>> {
    const answer = await ask(wanted)
    assert.equal(answer.statusCode, 200)
    const archive = inMemory(await buffer(answer))
    return Object.fromEntries(readZip(archive).map((entry) => [entry.name, contentOf(archive, entry)]))
  }

  /** Files of the store that this process has open, its folders aside; elsewhere than on Linux, files whatever they are. */
  async function openFiles(): Promise<number> {
    const all = await readdir('/dev/fd')
    if (process.platform !== 'linux') return all.length
    const open = all.map(async (fd) => {
      try {
        const path = `/dev/fd/${fd}`
        return (await readlink(path)).startsWith(folder) && (await stat(path)).isFile()
      } catch {
        // The one that reads the list.
        return false
      }
    })
    return (await Promise.all(open)).filter(Boolean).length
  }

  it('have the images asked for, in that order and once; not those that are not there or came to nothing', async () => {
    const [a, b, c] = (await keep(bytesOf('a'), bytesOf('b'), bytesOf('c'))) as [Image, Image, Image]
    images.set(b.id, { ...b, status: 'aborted' })
    const files = await filesOf([c, a, { id: randomUUID() }, b, c])
    assert.deepEqual(Object.keys(files), [c.name, a.name])
    assert.deepEqual(Object.values(files), [bytesOf('c'), bytesOf('a')])
  })

  it('have an image whatever became of its development', async () => {
    const kept = await keep(bytesOf('p'), bytesOf('e'))
    images.set(kept[0]!.id, { ...kept[0]!, status: 'pending' })
    images.set(kept[1]!.id, { ...kept[1]!, status: 'error' })
    assert.equal(Object.keys(await filesOf(kept)).length, 2)
  })

  it('leave out what was deleted since it was looked up', async () => {
    const kept = await keep(bytesOf('kept'), bytesOf('deleted'), bytesOf('kept, too'))
    await unlink(fileOf(kept[1]!))
    afterLookUp = () => images.delete(kept[1]!.id)
    assert.deepEqual(Object.values(await filesOf(kept)), [bytesOf('kept'), bytesOf('kept, too')])
    assert.ok(!images.has(kept[1]!.id))
  })

  it('say so at once where the first file is gone though its image is not', async () => {
    const [image] = (await keep(bytesOf('gone'))) as [Image]
    await unlink(fileOf(image))
    const answer = await ask([image])
    assert.equal(answer.statusCode, 500)
    const body = JSON.parse((await buffer(answer)).toString()) as { code: string; error: string }
    assert.equal(body.code, 'original_missing')
    assert.deepEqual(losses.splice(0), ['original_missing'])
    assert.ok(body.error.includes(image.name) && body.error.includes(image.id), body.error)
  })

  for (const [what, damage] of [
    ['gone', (image: Image) => unlink(fileOf(image))],
    ['cut short', (image: Image) => truncate(fileOf(image), 500)],
    ['too long', (image: Image) => truncate(fileOf(image), 1_500)],
    ['another one', (image: Image) => writeFile(fileOf(image), bytesOf('other bytes'))],
  ] as const)
    it(`break where a later file is ${what}`, async () => {
      const kept = await keep(bytesOf(`first ${what}`), bytesOf(what), bytesOf(`last ${what}`))
      await damage(kept[1]!)
      const answer = await ask(kept)
      assert.equal(answer.statusCode, 200)
      await assert.rejects(buffer(answer), { code: 'ECONNRESET' })
      assert.equal(answer.complete, false)
      assert.deepEqual(losses.splice(0), [what === 'gone' ? 'original_missing' : 'original_damaged'])
      await eventually('nothing is open', async () => (await openFiles()) === 0)
    })

  it('break, and nothing else does, where the store breaks off before it is the turn of a file', async () => {
    const kept = await keep(bytesOf('large, first', LARGE), bytesOf('broken off', LARGE))
    breaking = originalKey(kept[1]!.sha256)
    const answer = await ask(kept)
    await assert.rejects(buffer(answer), { code: 'ECONNRESET' })
    breaking = null
    assert.equal(Object.keys(await filesOf(kept)).length, 2)
  })

  it('let go of their files when a client leaves', async () => {
    const kept = await keep(...Array.from({ length: 4 }, (_, at) => bytesOf(`large ${at}`, LARGE)))
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(kept)))
    for (const answer of answers) answer.once('readable', () => {})
    await eventually('each has its first file and the next one open', async () => (await openFiles()) >= 2 * answers.length)
    for (const answer of answers) answer.destroy()
    await eventually('nothing is open', async () => (await openFiles()) === 0)
    // Also of those that leave before there is an answer.
    for (let left = 0; left < 20; left++) {
      const path = `/api/images/archive?${query(kept)}`
      const asked = httpGet({ host: '127.0.0.1', port, path, agent: false }).on('error', () => {})
      await once(asked, 'socket')
      if (left % 2 === 0) await once(asked, 'finish')
      asked.destroy()
    }
    assert.equal(Object.keys(await filesOf(kept)).length, 4)
    await eventually('nothing is open', async () => (await openFiles()) === 0)
  })

  it('wait for a client that reads slowly, with two files open and no more', async () => {
    const kept = await keep(...Array.from({ length: 6 }, (_, at) => bytesOf(`slow ${at}`, LARGE)))
    const answer = await ask(kept)
    const chunks: Buffer[] = []
    let most = 0
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer)
      if (chunks.length % 50 === 0) most = Math.max(most, await openFiles())
    }
    assert.equal(readZip(inMemory(Buffer.concat(chunks))).length, 6)
    // The third is one that is just being closed.
    assert.ok(most >= 1 && most <= 3, `${most} files open`)
  })
})
