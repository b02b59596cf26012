// A start with S3: one sentence for each wrong setting, and a staging folder that processes share without harm.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { freePorts } from '../../scripts/cluster/place.ts'
import { openS3Store, type S3StoreOptions } from '../../src/store/s3/s3.ts'
import { startFaultyS3, type FaultyS3 } from '../support/engines/faulty-s3.ts'
import { keysIn } from '../support/engines/s3.ts'
import type { Fault, FaultProxy, Seen } from '../support/engines/fault-proxy.ts'

const STAGING_MODULE = join(import.meta.dirname, '../../src/store/staging-folder.ts')

describe('a start with S3', () => {
  let s3: FaultyS3
  let proxy: FaultProxy
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
    settings = { ...s3.settings, stagingFolder }
  })
  afterEach(() => rm(stagingFolder, { recursive: true }))

  const isList = ({ url }: Seen) => url.includes('list-type=2')
  const wrong: { what: string; change?: Partial<S3StoreOptions>; fault?: Fault; only?: (request: Seen) => boolean; says: RegExp }[] = [
    { what: 'a bucket that is not there', change: { bucket: 'no-such' }, says: /^S3_BUCKET: .*"no-such".*Create it/ },
    { what: 'an unknown key', change: { accessKeyId: 'NOBODY' }, says: /^S3_ACCESS_KEY_ID: .*"NOBODY"/ },
    { what: 'no key', change: { accessKeyId: '' }, says: /^S3_ACCESS_KEY_ID is missing/ },
    { what: 'no secret', change: { secretAccessKey: '' }, says: /^S3_SECRET_ACCESS_KEY is missing/ },
    { what: 'another secret', fault: { status: 403, code: 'SignatureDoesNotMatch' }, says: /^S3_SECRET_ACCESS_KEY / },
    {
      what: 'a key that may not list',
      fault: { status: 403, code: 'AccessDenied' },
      only: isList,
      says: /^S3_ACCESS_KEY_ID .* allowed to list/,
    },
    { what: 'another region', fault: { status: 400, code: 'AuthorizationHeaderMalformed' }, says: /^S3_REGION is "us-east-1"/ },
    { what: 'no URL', change: { endpoint: 'minio:9000/' }, says: /^S3_ENDPOINT / },
    { what: 'a web site', fault: { status: 404, html: '<html>Nothing here</html>' }, says: /^S3_ENDPOINT: .* does not answer as S3/ },
    { what: 'silence', change: { answerTimeoutMs: 300 }, fault: 'hang', says: /^S3_ENDPOINT: .* silent/ },
  ]
  for (const { what, change, fault, only = () => true, says } of wrong) {
    it(`refuses ${what} in a sentence`, async () => {
      proxy.fault = (request) => (fault !== undefined && only(request) ? fault : null)
      await assert.rejects(openS3Store({ ...settings, ...change }), { name: 'StartError', message: says })
      assert.deepEqual(await readdir(stagingFolder), [])
    })
  }

  it('refuses an address where nobody listens in a sentence', async () => {
    const [port] = await freePorts(1)
    const endpoint = `http://127.0.0.1:${port}`
    await assert.rejects(openS3Store({ ...settings, endpoint }), { name: 'StartError', message: /^S3_ENDPOINT: .*ECONNREFUSED/ })
  })

  it('refuses a staging folder that can not be written in a sentence', async () => {
    await writeFile(join(stagingFolder, 'file'), '')
    const options = { ...settings, stagingFolder: join(stagingFolder, 'file') }
    await assert.rejects(openS3Store(options), { name: 'StartError', message: /^DATA_DIR: .*Choose a folder/ })
  })

  it('starts when S3 fails at first', async () => {
    let failures = 2
    proxy.fault = () => (failures-- > 0 ? { status: 503, html: 'starting' } : null)
    await (await openS3Store(settings)).close()
  })

  it('leaves nothing of its check in the bucket', async () => {
    const store = await openS3Store({ ...settings, bucket: await s3.addBucket() })
    assert.deepEqual(await keysIn(store), [])
    await store.close()
  })

  it('removes what dead processes had staged, and nothing of the living', async () => {
    const longAgo = new Date(Date.now() - 3_600_000)
    const age = (path: string) => utimes(path, longAgo, longAgo)
    const start = async () => {
      const code = `const { openStagingFolder } = await import(${JSON.stringify(STAGING_MODULE)});
        console.log((await openStagingFolder(${JSON.stringify(stagingFolder)})).path); process.stdin.resume()`
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
      const ended = once(child, 'exit')
      const [line] = await once(child.stdout, 'data')
      const path = String(line).trim()
      await writeFile(join(path, 'half-an-image'), '...')
      return { child, path, ended }
    }
    const [dead, living] = [await start(), await start()]
    dead.child.kill('SIGKILL')
    await dead.ended
    // One that has made its folder and not locked it yet, one that died before it could, and what is none of ours.
    const [beginning, neverBegan, other] = ['1', '2', 'other'].map((end) => join(stagingFolder, `staging-${'0'.repeat(35)}${end}`))
    for (const path of [beginning!, neverBegan!, other!]) await mkdir(path)
    for (const path of [dead.path, living.path, neverBegan!, other!]) await age(path)

    const store = await openS3Store(settings)
    const own = basename(dirname(store.stage()))
    assert.deepEqual(
      (await readdir(stagingFolder)).sort(),
      [living.path, beginning!, other!]
        .map((path) => basename(path))
        .concat(own)
        .sort(),
    )
    assert.ok((await readdir(living.path)).includes('half-an-image'))
    await store.close()
    assert.ok(!(await readdir(stagingFolder)).includes(own))
    living.child.stdin.end()
    await living.ended
  })
})
