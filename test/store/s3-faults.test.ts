// What a bad network and an overloaded S3 may do to the store: make it slow, make it fail, never make it wrong.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { openS3Store, type S3StoreOptions } from '../../src/store/s3/s3.ts'
import { eventually } from '../support/clients/client.ts'
import { startFaultyS3, type FaultyS3 } from '../support/engines/faulty-s3.ts'
import { keysIn } from '../support/engines/s3.ts'
import type { Fault, FaultProxy, Seen } from '../support/engines/fault-proxy.ts'

const KEY = 'originals/ab/abcdef'
const ANSWER_TIMEOUT_MS = 700
/** Three silent attempts and the pauses between them, on a busy machine. */
const GIVEN_UP_MS = 3 * ANSWER_TIMEOUT_MS + 3_000
const UNAVAILABLE = { name: 'CalotypeError', code: 'storage_unavailable', retryAfterSeconds: 5 }

// What hangs here would hang for ever.
describe('S3 store on a bad network', { timeout: 600_000 }, () => {
  let s3: FaultyS3
  let proxy: FaultProxy
  let store: BlobStore
  let stagingFolder: string
  let settings: S3StoreOptions

  before(async () => {
    s3 = await startFaultyS3()
    proxy = s3.proxy
  })
  after(() => s3.stop())
  beforeEach(async () => {
    proxy.fault = () => null
    stagingFolder = await mkdtemp(join(tmpdir(), 'calotype-s3-staging-'))
    settings = { ...s3.settings, bucket: await s3.addBucket(), stagingFolder }
    store = await openS3Store(settings)
    proxy.seen = []
    proxy.mostAtOnce = 0
  })
  afterEach(async () => {
    await store.close()
    await rm(stagingFolder, { recursive: true })
  })

  async function staged(content: string | Buffer) {
    const path = store.stage()
    await writeFile(path, content)
    return path
  }
  const put = async (content: string | Buffer, key = KEY) => store.put(await staged(content), key)

  /** From here on it is the store under test that waits for no answer as long as a real one does. */
  async function becomeImpatient() {
    await store.close()
    store = await openS3Store({ ...settings, answerTimeoutMs: ANSWER_TIMEOUT_MS })
  }

  /** Does it to the first `times` requests that `fits` says yes to. */
  function faulty(fault: Fault, times = Infinity, fits: (request: Seen) => boolean = () => true) {
    let left = times
    proxy.fault = (request) => (fits(request) && left-- > 0 ? fault : null)
  }
  const stagedFiles = async () => {
    const [own] = await readdir(stagingFolder)
    return (await readdir(join(stagingFolder, own!))).filter((name) => /^[0-9a-f-]{36}$/.test(name))
  }

  const passing: [Fault, number][] = [
    [{ status: 500, code: 'InternalError' }, 2],
    ['lose the answer', 2],
    // Waits half a second and more before it asks again.
    [{ status: 503, code: 'SlowDown' }, 1],
  ]
  for (const [fault, times] of passing) {
    it(`repeats what failed ${times} times: ${JSON.stringify(fault)}`, async () => {
      const operations: (() => Promise<unknown>)[] = [
        () => put('bytes'),
        async () => assert.equal((await buffer(await store.read(KEY))).toString(), 'bytes'),
        async () => (await store.checkout(KEY)).release(),
        async () => assert.equal((await store.stat(KEY))?.size, 5),
        async () => assert.equal((await keysIn(store, 'originals/')).length, 1),
        () => store.delete([KEY]),
      ]
      for (const operation of operations) {
        proxy.seen = []
        faulty(fault, times)
        await operation()
        assert.equal(proxy.seen.length, times + 1)
      }
      assert.equal(await store.stat(KEY), null)
    })
  }

  it('gives up after five attempts and says when to come back', async () => {
    faulty({ status: 500, code: 'InternalError' })
    const path = await staged('bytes')
    await assert.rejects(store.put(path, KEY), UNAVAILABLE)
    assert.equal(proxy.seen.length, 5)
    assert.equal(await readFile(path, 'utf8'), 'bytes')
  })

  it('never takes silence for a missing blob', async () => {
    await put('bytes')
    await becomeImpatient()
    faulty('hang')
    const silent = [store.stat(KEY), store.read(KEY), store.checkout(KEY), store.delete([KEY]), put('more'), keysIn(store)]
    const start = performance.now()
    await Promise.all(silent.map((operation) => assert.rejects(operation, UNAVAILABLE)))
    const tookMs = performance.now() - start
    assert.ok(tookMs < GIVEN_UP_MS, `took ${tookMs} ms`)
    // What could not be put.
    assert.equal((await stagedFiles()).length, 1)
  })

  it('takes only NoSuchKey for a missing blob', async () => {
    await put('bytes')
    const others: Fault[] = [
      { status: 404, code: 'NoSuchBucket' },
      { status: 404, html: '<html>Nothing here</html>' },
      { status: 403, code: 'AccessDenied' },
    ]
    for (const fault of others) {
      faulty(fault)
      for (const operation of [() => store.stat(KEY), () => store.read(KEY), () => store.checkout(KEY)]) {
        await assert.rejects(operation(), { name: 'CalotypeError', code: 'internal' }, JSON.stringify(fault))
      }
    }
    faulty({ status: 404, code: 'NoSuchKey' })
    await assert.rejects(store.read(KEY), { code: 'not_found' })
    await assert.rejects(store.checkout(KEY), { code: 'not_found' })
  })

  for (const fault of [{ cutBodyAfter: 100 }, { stallBodyAfter: 100 }] satisfies Fault[]) {
    it(`never takes part of a body for the whole: ${JSON.stringify(fault)}`, async () => {
      const bytes = randomBytes(100_000)
      await put(bytes)
      await becomeImpatient()
      faulty(fault, 1)
      await assert.rejects(buffer(await store.read(KEY)), UNAVAILABLE)
      faulty(fault, 1)
      await assert.rejects(buffer(await store.read(KEY, { start: 1_000, end: 90_000 })), UNAVAILABLE)

      // A checkout asks again; what it gives is whole.
      faulty(fault, 2)
      const { path, release } = await store.checkout(KEY)
      assert.ok(bytes.equals(await readFile(path)))
      await release()
      faulty(fault)
      await assert.rejects(store.checkout(KEY), UNAVAILABLE)
      assert.deepEqual(await stagedFiles(), [])
    })
  }

  it('sees a bit that flips on the way to a checkout', async () => {
    const bytes = randomBytes(100_000)
    await put(bytes)
    faulty('damage the answer', 1)
    const { path } = await store.checkout(KEY)
    assert.ok(bytes.equals(await readFile(path)))
    faulty('damage the answer')
    await assert.rejects(store.checkout(KEY), UNAVAILABLE)
  })

  it('sees a bit that flips on the way into the bucket, and sends the bytes again', async () => {
    const bytes = randomBytes(100_000)
    const isPut = ({ method }: Seen) => method === 'PUT'
    faulty('damage the request', 2, isPut)
    await put(bytes)
    assert.ok(bytes.equals(await buffer(await store.read(KEY))))
    faulty('damage the request', Infinity, isPut)
    await assert.rejects(put(bytes, 'originals/cd/cdef'), UNAVAILABLE)
  })

  it('sends again what the server itself found damaged', async () => {
    faulty({ status: 400, code: 'BadDigest' }, 2)
    await put('bytes')
    assert.equal(proxy.seen.length, 3)
    const md5 = createHash('md5').update('bytes').digest('base64')
    for (const { headers } of proxy.seen) assert.equal(headers['content-md5'], md5)
  })

  it('says in the way every server knows that a delete is whole', async () => {
    await store.delete([KEY])
    const [{ headers }] = proxy.seen as [Seen]
    assert.match(headers['content-md5'] as string, /^.{22}==$/)
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.includes('checksum')),
      [],
    )
    assert.match(headers.authorization!, /SignedHeaders=[^,]*content-md5/)
  })

  describe('with a file in parts', () => {
    const bytes = randomBytes(40 * 1024 * 1024 + 12_345)
    const isPart = ({ method, url }: Seen) => method === 'PUT' && url.includes('partNumber=')
    const isEnd = ({ method, url }: Seen) => method === 'POST' && url.includes('uploadId=')
    const aborts = () => proxy.seen.filter(({ method, url }) => method === 'DELETE' && url.includes('uploadId='))
    const isWhole = async () => assert.ok(bytes.equals(await buffer(await store.read(KEY))))

    it('four parts of 8 MB at once, and nothing larger', async () => {
      await put(bytes)
      await isWhole()
      const sizes = proxy.seen.filter(isPart).map(({ bodyLength }) => bodyLength)
      assert.deepEqual(
        sizes.sort((a, b) => b - a),
        [...Array<number>(5).fill(8 * 1024 * 1024), 12_345],
      )
      assert.ok(proxy.mostAtOnce <= 4, `${proxy.mostAtOnce} at once`)
      assert.deepEqual(aborts(), [])
    })

    it('a damaged part is sent again', async () => {
      faulty('damage the request', 1, isPart)
      await put(bytes)
      await isWhole()
      assert.equal(proxy.seen.filter(isPart).length, 7)
    })

    it('a lost answer to the end of it is no failure', async () => {
      const ends: Fault[] = ['lose the answer', { status: 404, code: 'NoSuchUpload' }]
      proxy.fault = (request) => (isEnd(request) ? ends.shift()! : null)
      await put(bytes)
      assert.deepEqual(ends, [])
      await isWhole()
      assert.deepEqual(aborts(), [])
    })

    it('what fails is aborted, and the file is still there to be put again', async () => {
      const path = await staged(bytes)
      // s3rver itself can't abort.
      proxy.fault = (request) =>
        isPart(request) && request.url.includes('partNumber=3')
          ? { status: 403, code: 'AccessDenied' }
          : request.method === 'DELETE'
            ? { status: 204, html: '' }
            : null
      await assert.rejects(store.put(path, KEY), { code: 'internal' })
      assert.equal(aborts().length, 1)
      assert.equal(await store.stat(KEY), null)
      proxy.fault = () => null
      await store.put(path, KEY)
      await isWhole()
    })
  })

  it('keeps to 64 requests however much is asked of it at once', async () => {
    await becomeImpatient()
    proxy.seen = []
    faulty('hang')
    const asked = Array.from({ length: 80 }, (_, at) => assert.rejects(store.stat(`originals/ab/${at}`), UNAVAILABLE))
    await eventually('64 requests are there', async () => proxy.seen.length === 64)
    await Promise.all(asked)
    assert.equal(proxy.mostAtOnce, 64)
  })

  it('lists and deletes by pages of a thousand', async () => {
    const keys = Array.from({ length: 1_050 }, (_, at) => `originals/${(at % 256).toString(16).padStart(2, '0')}/${at}`)
    await Promise.all(keys.map((key) => put('', key)))
    const listed = await keysIn(store, 'originals/')
    assert.deepEqual(listed.sort(), keys.toSorted())
    proxy.seen = []
    await store.delete(keys)
    // s3rver fails now and then at deleting a folder twice, and is asked again.
    assert.equal(new Set(proxy.seen.map(({ bodyLength }) => bodyLength)).size, 2)
    assert.deepEqual(await keysIn(store), [])
  })

  it('ranges of one byte, the first too, and none outside', async () => {
    await put('0123456789')
    const range = async (start: number, end: number) => (await buffer(await store.read(KEY, { start, end }))).toString()
    assert.deepEqual([await range(0, 0), await range(9, 9)], ['0', '9'])
    await assert.rejects(range(8, 99), { code: 'storage_unavailable' }, 'never a short body')
    await assert.rejects(range(10, 12), { code: 'range_not_satisfiable' })
  })

  it('a reader that leaves ends the request', async () => {
    await put(randomBytes(4_000_000))
    faulty({ stallBodyAfter: 2_000_000 })
    const stream = await store.read(KEY)
    stream.destroy()
    await new Promise((closed) => stream.once('close', closed))
    assert.equal(stream.errored, null)
  })

  it('an empty file is stored as one', async () => {
    await put('')
    assert.equal((await store.stat(KEY))?.size, 0)
    const { path } = await store.checkout(KEY)
    assert.equal((await readFile(path)).length, 0)
  })
})
