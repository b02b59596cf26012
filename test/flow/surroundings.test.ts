// What Calotype stands on, judged: a real Redis with the wrong settings, real folders and buckets, and what poolers and clocks may say.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { redisFacts } from '../../src/db/redis/redis-facts.ts'
import { examineSurroundings, type Surroundings } from '../../src/flow/doctor/examine-surroundings.ts'
import type { Finding } from '../../src/flow/doctor/findings.ts'
import { createLog } from '../../src/log.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'
import { openS3Store } from '../../src/store/s3/s3.ts'
import { s3Facts } from '../../src/store/s3/s3-facts.ts'
import { startRedis } from '../support/engines/redis.ts'
import { keysIn, startS3 } from '../support/engines/s3.ts'

const WELL = { clockOffsetMs: 0, clockErrorMs: 1 }
const log = createLog('silent')

async function newFolder(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-surroundings-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function found(folder: string, blobs: BlobStore | null, more: Partial<Surroundings> = {}): Promise<Finding[]> {
  const findings: Finding[] = []
  const alone = { folder, isFolderStore: true, leastFreeBytes: 1, databasePool: 10, postgres: null, redis: null, s3: null }
  await examineSurroundings(blobs, { ...alone, ...more }, (finding) => findings.push(finding))
  return findings
}
const codes = (findings: Finding[]) => findings.map(({ code }) => code)

test('a folder is written to, renamed in, synced and read; nothing stays of it', async (t) => {
  const folder = await newFolder(t)
  const blobs = await openFilesystemStore(folder)
  assert.deepEqual(await found(folder, blobs), [])
  assert.deepEqual([await readdir(join(folder, 'tmp')), await keysIn(blobs, 'originals/')], [[], []])
  assert.deepEqual(await readdir(join(folder, 'originals')), [])
  await rm(join(folder, 'originals'), { recursive: true })
  assert.deepEqual(codes(await found(folder, blobs)), ['folder_unusable'])
  assert.deepEqual(codes(await found(folder, null, { leastFreeBytes: Number.MAX_SAFE_INTEGER })), ['disk_nearly_full'])
})

test('a bucket takes a file in parts and says what it has; nothing stays of it', async (t) => {
  const s3 = await startS3()
  const folder = await newFolder(t)
  const blobs = await openS3Store({ ...s3.settings, stagingFolder: join(folder, 'tmp') })
  try {
    const facts = () => s3Facts(s3.settings)
    assert.equal((await facts()).checksBytes, true)
    const findings = await found(folder, blobs, { isFolderStore: false, s3: facts })
    assert.deepEqual(
      codes(findings).filter((code) => code !== 'store_not_conditional'),
      [],
    )
    assert.deepEqual(await keysIn(blobs), [])
    const takesAll = async () => ({ checksBytes: false, isConditional: false })
    assert.deepEqual(codes(await found(folder, null, { s3: takesAll })), ['store_checks_nothing', 'store_not_conditional'])
  } finally {
    await blobs.close()
    await s3.stop()
  }
})

test('a Redis that evicts, or keeps nothing, is told; one that is away is no answer', async (t) => {
  const folder = await newFolder(t)
  {
    await using forgetful = await startRedis()
    assert.deepEqual(codes(await found(folder, null, { redis: () => redisFacts(forgetful.url, log) })), ['redis_forgets'])
  }
  await using redis = await startRedis({ appendonly: true })
  const ask = () => found(folder, null, { redis: () => redisFacts(redis.url, log) })
  assert.deepEqual(await ask(), [])
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  const [evicts, ...others] = await ask()
  assert.deepEqual([evicts?.code, others], ['redis_evicts', []])
  assert.match(evicts!.what, /allkeys-lru/)
  await redis.stop()
  assert.deepEqual(codes(await ask()), ['redis_unreachable'])
})

test('poolers, connections and clocks are judged by what they say', async (t) => {
  const folder = await newFolder(t)
  const ask = (facts: object) =>
    found(folder, null, { postgres: async () => ({ ...WELL, pooling: 'transaction' as const, mostClients: 500, ...facts }) })
  assert.deepEqual(await ask({}), [])
  assert.deepEqual(await ask({ pooling: 'none' }), [])
  assert.deepEqual(codes(await ask({ pooling: 'session' })), ['pool_mode'])
  assert.deepEqual(codes(await ask({ pooling: 'statement', mostClients: 9 })), ['pool_mode', 'too_few_connections'])
  assert.deepEqual(await ask({ clockOffsetMs: 1_200, clockErrorMs: 300 }), [])
  const [behind] = await ask({ clockOffsetMs: -3_600_000 })
  assert.deepEqual([behind?.code, behind?.what], ['clocks_differ', 'The clock of PostgreSQL is 60 min behind that of this machine.'])
  const away = await found(folder, null, { postgres: () => Promise.reject(new Error('connect ECONNREFUSED')) })
  assert.deepEqual(codes(away), ['not_looked_at'])
})
