// An S3 that is silent, refuses, or answers as S3 never does: nothing is ever taken for missing, and nothing is mended on such a word.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { examine } from '../../src/flow/doctor/examine.ts'
import type { Finding } from '../../src/flow/doctor/findings.ts'
import { createLog } from '../../src/log.ts'
import { originalKey, renditionKey } from '../../src/rendition/keys.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import { createSqlKnownStore } from '../../src/record/originals/sql-known-store.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import { createSqlRowSurvey } from '../../src/record/admin/sql-row-survey.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { openS3Store } from '../../src/store/s3/s3.ts'
import { develop, upload } from '../contracts/record/records.ts'
import type { Fault, FaultProxy, Seen } from '../support/engines/fault-proxy.ts'
import { startFaultyS3, type FaultyS3 } from '../support/engines/faulty-s3.ts'
import { sampleOutput } from '../support/inputs/sample-image.ts'

const CONTENT = 'the bytes of an original'
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')
const OPERATIONS = operationsOf(RECIPE, 'jpeg')
const [IMAGE_KEY, THUMBNAIL_KEY] = OPERATIONS.map((operation) => renditionKey(SHA256, operation)) as [string, string]

describe('examining an S3 that can not be looked at', { timeout: 600_000 }, () => {
  let s3: FaultyS3
  let proxy: FaultProxy
  let folder: string
  let database: Database
  let blobs: BlobStore
  let imageId: string

  before(async () => {
    s3 = await startFaultyS3()
    proxy = s3.proxy
  })
  after(() => s3.stop())
  beforeEach(async () => {
    proxy.fault = () => null
    folder = await mkdtemp(join(tmpdir(), 'calotype-examine-'))
    database = (await openSqlite(join(folder, 'calotype.sqlite'))).database
    const bucket = await s3.addBucket()
    blobs = await openS3Store({ ...s3.settings, bucket, stagingFolder: join(folder, 'tmp'), answerTimeoutMs: 400 })
    const records = createSqlRecords(database)
    await records.renditions.addRecipe(RECIPE)
    imageId = (await upload(records, CONTENT))[0]!.id
    await develop(records, CONTENT)
    await put(originalKey(SHA256), CONTENT)
    for (const operation of OPERATIONS) await put(renditionKey(SHA256, operation), 'x'.repeat(sampleOutput(operation).size))
  })
  afterEach(async () => {
    proxy.fault = () => null
    await blobs.close()
    await database.close()
    await rm(folder, { recursive: true })
  })

  async function put(key: string, content: string) {
    const path = blobs.stage()
    await writeFile(path, content)
    await blobs.put(path, key)
  }

  /** With repairs, and no grace: whatever it took for missing, it would mend. */
  async function examined() {
    const findings: Finding[] = []
    const records = createSqlRecords(database)
    const deps = {
      ...records,
      blobs,
      survey: createSqlRowSurvey(database),
      knownStore: createSqlKnownStore(database),
      log: createLog('fatal'),
      report: (finding: Finding) => findings.push(finding),
      onProgress() {},
    }
    const summary = await examine(deps, { repair: true, sample: null, graceMs: 0, isServed: true })
    return {
      summary,
      findings,
      codes: [...new Set(findings.map(({ code }) => code))],
      status: (await records.images.get(imageId, null))?.status,
    }
  }

  const isList = ({ method, url }: Seen) => method === 'GET' && url.includes('list-type=2')
  const isOriginal = ({ method, url }: Seen) => method !== 'PUT' && url.includes(`/${originalKey(SHA256)}`)
  /** What lists say where nothing lies, which is known of nearly all their 512 parts: s3rver takes seconds for so many questions. */
  const NOTHING: Fault = { status: 200, html: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' }
  const isElsewhere = (seen: Seen) => isList(seen) && !seen.url.includes(`%2F${SHA256.slice(0, 2)}%2F`)
  const faulty = (fault: (seen: Seen) => Fault | null) => {
    proxy.fault = (seen) => fault(seen) ?? (isElsewhere(seen) ? NOTHING : null)
  }

  it('is well while it answers', async () => {
    const { findings, summary } = await examined()
    assert.deepEqual(findings, [])
    assert.deepEqual([summary.originals, summary.hashed], [1, 1])
  })

  const faults: [string, Fault][] = [
    ['silence', 'hang'],
    ['503', { status: 503, code: 'SlowDown' }],
    ['a 404 of somebody else', { status: 404, html: '<html>Not here</html>' }],
    ['a bucket that is gone', { status: 404, code: 'NoSuchBucket' }],
    ['403', { status: 403, code: 'AccessDenied' }],
  ]
  for (const [name, fault] of faults) {
    it(`${name} in the face of a look at an original is no loss`, async () => {
      faulty((seen) => (isOriginal(seen) ? fault : null))
      const { codes, status } = await examined()
      assert.deepEqual([codes, status], [['not_looked_at'], 'completed'])
    })
  }

  it('a body that is damaged on its way each time is no damage', async () => {
    let times = 0
    // Damaged in another place each time, as a network does; the file itself would be damaged in the same.
    faulty((seen) => (isOriginal(seen) && seen.method === 'GET' ? (times++ % 2 ? null : 'damage the answer') : null))
    const { codes, status } = await examined()
    assert.deepEqual([codes, status], [['not_looked_at'], 'completed'])
  })

  it('a list that can not be read is no empty list, and enough of them end the examination', async () => {
    faulty((seen) => (isList(seen) ? { status: 403, code: 'AccessDenied' } : null))
    const { findings, codes, status } = await examined()
    assert.deepEqual([codes, status], [['not_looked_at'], 'completed'])
    assert.match(findings.at(-1)!.what, /^25\d of 256 parts of the store were not looked at/)
    assert.ok(findings.length < 10)
  })

  it('a list that leaves things out is not believed before they were looked for', async () => {
    faulty((seen) => (isList(seen) ? NOTHING : null))
    assert.deepEqual((await examined()).findings, [])
  })

  it('what is truly missing is found by the same questions', async () => {
    faulty(() => null)
    await blobs.delete([THUMBNAIL_KEY])
    const first = await examined()
    assert.deepEqual([first.codes, first.status], [['rendition_missing'], 'pending'])
    await blobs.delete([originalKey(SHA256)])
    const second = await examined()
    assert.deepEqual([second.codes, second.status], [['original_missing'], 'error'])
    await database.write.deleteFrom('images').execute()
    await database.write.deleteFrom('renditions').execute()
    await database.write.deleteFrom('originals').execute()
    // No row is no reason to delete.
    assert.deepEqual((await examined()).codes, ['orphan'])
    assert.ok(await blobs.stat(IMAGE_KEY))
  })
})
