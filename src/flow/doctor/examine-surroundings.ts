// Judges what Calotype stands on: the store, the disk, the database with its pooler, Redis, and the clocks of all of them.
import { createHash, randomUUID } from 'node:crypto'
import { statfs, writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { CalotypeError } from '../../errors.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { hashOfBlob } from './examine-original.ts'
import { inWords, reasonOf, type FindingCode, type Report } from './findings.ts'

/** What is not there in this topology is null. Each question rejects when it can not be answered. */
export interface Surroundings {
  /** Local: the store, or what is on its way there. */
  folder: string
  isFolderStore: boolean
  /** Below so many bytes the disk is nearly full. */
  leastFreeBytes: number
  databasePool: number
  postgres: (() => Promise<Clock & { pooling: 'none' | 'session' | 'transaction' | 'statement'; mostClients: number }>) | null
  redis: (() => Promise<Clock & { evictionPolicy: string; appendOnly: boolean }>) | null
  s3: (() => Promise<{ checksBytes: boolean; isConditional: boolean }>) | null
}

interface Clock {
  clockOffsetMs: number
  clockErrorMs: number
}

const MOST_CLOCK_DIFFERENCE_MS = 1_000
const SMALL_PROBE_BYTES = 64 * 1024
/** So that S3 gets it in parts (`store/s3/s3-upload.ts`), of which the read below crosses a border. */
const LARGE_PROBE_BYTES = 16 * 1024 * 1024 + SMALL_PROBE_BYTES
const BORDER = 8 * 1024 * 1024

/** `blobs` is null where it could not be opened, and was reported. */
export async function examineSurroundings(blobs: BlobStore | null, around: Surroundings, report: Report): Promise<void> {
  const found = (code: FindingCode, what: string) => report({ code, what, mended: false })
  const ask = async <T>(code: FindingCode, about: string, question: () => Promise<T>, judge: (answer: T) => void) => {
    let answer
    try {
      answer = await question()
    } catch (error) {
      return found(code, `${about}: ${reasonOf(error)}`)
    }
    judge(answer)
  }
  const judgeClock = (whose: string, { clockOffsetMs, clockErrorMs }: Clock) => {
    if (Math.abs(clockOffsetMs) - clockErrorMs <= MOST_CLOCK_DIFFERENCE_MS) return
    const way = clockOffsetMs > 0 ? 'ahead of' : 'behind'
    found('clocks_differ', `The clock of ${whose} is ${inWords(Math.abs(clockOffsetMs))} ${way} that of this machine.`)
  }

  if (blobs) await probeStore(blobs, around.isFolderStore, found)
  await ask(
    'not_looked_at',
    `The free space of ${around.folder} could not be looked at`,
    () => statfs(around.folder),
    ({ bavail, bsize }) => {
      const free = bavail * bsize
      if (free >= around.leastFreeBytes) return
      found(
        'disk_nearly_full',
        `The disk of ${around.folder} has ${Math.round(free / 1e6)} MB left, less than ${Math.round(around.leastFreeBytes / 1e6)}.`,
      )
    },
  )
  if (around.s3) {
    await ask('store_unusable', 'S3 could not be tried', around.s3, ({ checksBytes, isConditional }) => {
      if (!checksBytes) found('store_checks_nothing', 'S3 takes bytes that do not match their checksum, and does not tell what it has.')
      if (!isConditional) found('store_not_conditional', 'S3 sends what one has already, whatever If-None-Match says.')
    })
  }
  if (around.postgres) {
    await ask('not_looked_at', 'PostgreSQL could not be asked', around.postgres, (facts) => {
      judgeClock('PostgreSQL', facts)
      if (facts.pooling === 'session' || facts.pooling === 'statement') {
        found('pool_mode', `The pooler before PostgreSQL works by ${facts.pooling}, not by transaction.`)
      }
      if (facts.mostClients < around.databasePool) {
        found('too_few_connections', `DATABASE_POOL is ${around.databasePool}, and ${facts.mostClients} clients are taken in all.`)
      }
    })
  }
  if (around.redis) {
    await ask('redis_unreachable', 'Redis could not be asked', around.redis, (facts) => {
      judgeClock('Redis', facts)
      if (facts.evictionPolicy !== 'noeviction')
        found('redis_evicts', `Redis evicts keys when its memory is full (${facts.evictionPolicy}).`)
      if (!facts.appendOnly) found('redis_forgets', 'Redis keeps nothing on disk (appendonly no).')
    })
  }
}

/** Writes, renames, syncs, reads and deletes, as an upload does. */
async function probeStore(blobs: BlobStore, isFolder: boolean, found: (code: FindingCode, what: string) => void) {
  // Not in one of the folders of originals: made by the user who examines, it would not be the server's.
  const key = `originals/calotype-check-${randomUUID()}`
  const staged = blobs.stage()
  const bytes = Buffer.alloc(isFolder ? SMALL_PROBE_BYTES : LARGE_PROBE_BYTES, key)
  try {
    await writeFile(staged, bytes)
    await blobs.put(staged, key)
    const start = isFolder ? 0 : BORDER - 10
    const piece = await buffer(await blobs.read(key, { start, end: start + 19 }))
    const hash = await hashOfBlob(blobs, key)
    const isSame = piece.equals(bytes.subarray(start, start + 20)) && hash === createHash('sha256').update(bytes).digest('hex')
    if (!isSame) found(isFolder ? 'folder_unusable' : 'store_unusable', 'What was just stored reads differently.')
  } catch (error) {
    // A folder answers at once: what it refuses is no silence.
    const isSilent = !isFolder && error instanceof CalotypeError && error.code === 'storage_unavailable'
    const code = isSilent ? 'not_looked_at' : isFolder ? 'folder_unusable' : 'store_unusable'
    found(code, `A file could not be stored and read: ${reasonOf(error)}`)
  } finally {
    await blobs.discard(staged)
    await blobs.delete([key]).catch(() => undefined)
  }
}
