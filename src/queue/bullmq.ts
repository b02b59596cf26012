// The queue of a cluster: a BullMQ job on Redis is the wake-up for a chunk of hints. Leases are in the rows, none is held here.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import { BLOCK_MS, openRedis } from '../db/redis/redis.ts'
import type { Logger } from '../log.ts'
import type { Job, JobQueue } from './job-queue.ts'

const NAME = 'chunks'
const PREFIX = 'calotype'
const HINTS_PER_CHUNK = 16
// BullMQ takes up to 2^21; a batch whose places go beyond (33 million) shares the last one.
const LAST_PRIORITY = 2 ** 21 - 1
const RETRY_MS = 200
// Of a chunk on its way to who takes it, which is milliseconds; then, and as long again, until it is found where that one died.
const LOCK_MS = 5_000

interface Chunk {
  /** A smaller one is taken first; those alike in the order they came. */
  priority: number
  jobs: Job[]
}

/**
 * Batches take turns by the priority of their chunks: the first chunks of all batches come before the second ones. A server only adds
 * and a worker mostly takes: each half connects when it is first used. Does not need Redis to be there: `add` gives up after a second
 * (logged once an outage), `take` goes on when it is back. Any number of processes take; each chunk goes to one of them, or, where
 * one dies within the milliseconds of taking it, to another within 15 seconds.
 */
export function createBullmqQueue({ url, log }: { url: string; log: Logger }): JobQueue {
  const redis = openRedis({ url, purpose: 'queue', log })
  const ending = new AbortController()
  const ended = new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()))
  // They reconnect by themselves, and what they were asked rejects besides.
  const onError = (error: Error) => log.debug({ err: error }, 'queue')
  // Asking for the version would have them fail for good if Redis goes away between two answers.
  const options = { connection: redis.client, prefix: PREFIX, skipVersionCheck: true }

  let adding: Queue<Job[]> | null = null
  const queue = () =>
    (adding ??= new Queue<Job[]>(NAME, {
      ...options,
      // No ids of our own: an id that is still kept makes an add a silent no-op. Nobody reads BullMQ's events.
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      streams: { events: { maxLen: 100 } },
    }).on('error', onError))

  let taking: Worker<Job[]> | null = null
  function worker() {
    if (taking) return taking
    taking = new Worker<Job[]>(NAME, null, { ...options, autorun: false, lockDuration: LOCK_MS, stalledInterval: LOCK_MS }).on(
      'error',
      onError,
    )
    void taking.startStalledCheckTimer().catch(onError)
    return taking
  }

  async function nextChunk(): Promise<Job[]> {
    const token = randomUUID()
    const job = await worker().getNextJob(token, { block: false })
    if (!job) return []
    // Done before it is begun: from here on the rows say who has it. Where Redis does not hear this, the chunk comes once more.
    await job.moveToCompleted(null, token, false).catch(onError)
    return job.data
  }

  // One that Redis answers too late is kept for the next turn.
  let fetching: Promise<Job[]> | null = null
  function fetch() {
    if (fetching) return fetching
    fetching = nextChunk()
    fetching.catch(() => (fetching = null))
    return fetching
  }

  async function takeChunk(): Promise<Job[]> {
    while (!ending.signal.aborted) {
      try {
        const jobs = await redis.ask(fetch)
        fetching = null
        if (jobs.length > 0) return jobs
        const arrived = worker()
          .getBackend()
          .waitForJob(BLOCK_MS / 1000)
        await Promise.race([arrived, ended])
      } catch {
        await sleep(RETRY_MS, undefined, ending).catch(() => {})
      }
    }
    return []
  }

  let taker: Promise<Job[]> | null = null
  let closed = false

  async function endTaking() {
    ending.abort()
    await taker
  }

  return {
    async add(jobs) {
      const chunks = toChunks(jobs).map(({ priority, jobs: data }) => ({ name: 'develop', data, opts: { priority } }))
      // Not kept: the sweep finds the rows.
      if (chunks.length > 0 && !closed) await redis.ask(() => queue().addBulk(chunks)).catch(() => {})
    },

    async take() {
      if (taker) throw new Error('the queue has one taker')
      try {
        return await (taker = takeChunk())
      } finally {
        taker = null
      }
    },

    // Looking for them in all chunks would cost more than the claims that find nothing.
    async drop() {},

    async depth() {
      const counting = redis.ask(() => queue().getJobCountByTypes('prioritized', 'waiting'))
      return counting.catch(() => null)
    },

    endTaking,

    async close() {
      await endTaking()
      closed = true
      // Without waiting for the blocked read.
      await taking?.close(true)
      await adding?.close()
      redis.close()
    },
  }
}

function toChunks(jobs: Job[]): Chunk[] {
  const batches = new Map<string, Map<string, Job>>()
  for (const job of jobs) {
    const hashes = batches.get(job.batchId) ?? new Map<string, Job>()
    batches.set(job.batchId, hashes)
    if (!hashes.has(job.sha256)) hashes.set(job.sha256, job)
  }
  const chunks: Chunk[] = []
  for (const hashes of batches.values()) {
    const hints = [...hashes.values()]
    for (let at = 0; at < hints.length; at += HINTS_PER_CHUNK) {
      const priority = Math.min(1 + Math.floor(hints[at]!.place / HINTS_PER_CHUNK), LAST_PRIORITY)
      chunks.push({ priority, jobs: hints.slice(at, at + HINTS_PER_CHUNK) })
    }
  }
  return chunks
}
