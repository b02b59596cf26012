// The journey's second half: takes hints, claims rows, has originals developed, stores and records the outcomes, announces them.
import { setTimeout as sleep } from 'node:timers/promises'
import { failpoint } from '../../failpoints.ts'
import type { Image } from '../../image.ts'
import type { Logger } from '../../log.ts'
import type { ImageProcessor } from '../../process/image-processor.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { Job, JobQueue } from '../../queue/job-queue.ts'
import type { WorkPause } from '../../record/work/work-pause.ts'
import type { Finished, Work, WorkStore } from '../../record/work/work-store.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { toJobs } from '../announce.ts'
import { makeAndStore } from './make-and-store.ts'

export interface ProcessDeps {
  blobs: BlobStore
  work: Pick<WorkStore, 'claim' | 'renew' | 'giveBack' | 'finish'>
  queue: JobQueue
  feed: EventFeed
  processor: ImageProcessor
  pause: Pick<WorkPause, 'current'>
  /** This process, as administrators see it. */
  worker: string
  log: Logger
}

/** Works until stopped. */
export interface Processing {
  /**
   * Takes and begins nothing more, and gives back what was claimed and not begun; resolves when what was begun is recorded or
   * interrupted.
   */
  stop(): Promise<void>
}

// Outcomes on their way to disk and rows, beside what is being developed: beyond, nothing more is begun.
const MAX_FINISHING = 64
const MOST_WORTH_WAITING_FOR = 4
// When the database refuses: nothing is lost by waiting, so nothing is given up.
const RETRY_MS = 1_000
// While there is a pause and something to do.
const LOOK_FOR_ITS_END_MS = 500
// A worker that dies is noticed after so long; one that lives says so three times in that.
const LEASE_MS = 6_000
// Outcomes share a transaction with those of the time that so many images take, but nobody notices a tenth of a second.
const OUTCOMES_TOGETHER = 4
const MOST_TOGETHER_MS = 100

export function processImages(deps: ProcessDeps): Processing {
  const { work: store, queue, feed, processor, pause, worker, log } = deps
  const lease = { ms: LEASE_MS, worker }
  const claimed: Work[] = []
  /** Claimed, and neither finished nor given back. */
  const held = new Set<Work>()
  /** Begun, and come back undone as the processing was stopped. */
  const interrupted: Work[] = []
  const finishing = new Set<Promise<void>>()
  let developing = 0
  /** Outcomes being recorded and announced: of `finishing`, those that nothing more is awaited for. */
  let outcomes = 0
  let claiming = false
  /** Between two outcomes, lately. */
  let outcomeEveryMs = 0
  let lastOutcomeAt = performance.now()
  let stopped = false
  let freed = Promise.withResolvers<void>()

  function free() {
    freed.resolve()
    freed = Promise.withResolvers<void>()
  }

  /** Repeats until it succeeds, or until the processing is stopped: what is not recorded then is found in the rows again. */
  async function persist<T>(what: string, action: () => Promise<T>): Promise<T | null> {
    while (!stopped) {
      try {
        return await action()
      } catch (error) {
        log.error({ err: error }, `${what} failed; trying again`)
        await sleep(RETRY_MS)
      }
    }
    return action().catch(() => null)
  }

  async function finish(result: Finished) {
    outcomes++
    const now = performance.now()
    outcomeEveryMs += (Math.min(now - lastOutcomeAt, MOST_TOGETHER_MS) - outcomeEveryMs) / OUTCOMES_TOGETHER
    lastOutcomeAt = now
    try {
      // The last one in hand waits for nobody: who sends the next image may be waiting for this outcome.
      const canWait = claiming || claimed.length + finishing.size > outcomes
      const maxDelayMs = canWait ? Math.min(OUTCOMES_TOGETHER * outcomeEveryMs, MOST_TOGETHER_MS) : 0
      const changed = await persist('recording an outcome', () => store.finish(result, maxDelayMs))
      failpoint('outcome-recorded')
      if (!changed) return
      for (const image of changed) logOutcome(log, image)
      await feed.publish(changed)
      // Renditions that were asked for meanwhile.
      const waiting = changed.filter(({ status }) => status === 'pending')
      if (waiting.length > 0) await queue.add(toJobs(waiting))
      failpoint('outcome-announced')
    } finally {
      outcomes--
    }
  }

  function begin(work: Work) {
    developing++
    let done = false
    const release = () => {
      if (!done) developing--
      done = true
      free()
    }
    // Developed or not: while its outcome waits for others, a child goes on with the next image.
    const outcome = makeAndStore(deps, work, release, () => stopped).finally(release)
    const ended = outcome.then(async (result) => {
      if (result) return finish(result).finally(() => held.delete(work))
      if (!stopped) return handBack([work])
      interrupted.push(work)
    })
    const whole = ended.finally(() => {
      finishing.delete(whole)
      free()
    })
    finishing.add(whole)
  }

  // Room for one is not worth a transaction while others are being developed: a child has another image in hand meanwhile.
  const worthClaiming = Math.min(MOST_WORTH_WAITING_FOR, Math.ceil(processor.capacity / 2))
  const hasRoom = () => room() >= Math.min(worthClaiming, Math.max(1, developing))
  const room = () => (finishing.size < MAX_FINISHING ? processor.capacity - developing : 0)

  async function claim(jobs: Job[]) {
    const hashes = [...new Set(jobs.map((job) => job.sha256))]
    for (;;) {
      claiming = true
      const taken = await persist('claiming work', () => store.claim(hashes, lease)).finally(() => (claiming = false))
      failpoint('work-claimed')
      if (!taken) return
      claimed.push(...taken.works)
      for (const work of taken.works) held.add(work)
      await feed.publish(taken.images)
      // What gets nothing may be paused: it is held until it may go on.
      if (taken.works.length > 0 || !(await pause.current().catch(() => null))) return
      if (!stopped) await Promise.race([freed.promise, sleep(LOOK_FOR_ITS_END_MS)])
      if (stopped) return queue.add(jobs)
    }
  }

  /** Until a child can be started again nothing is claimed, and what is claimed is pending: others may be able to. */
  async function waitUntilAble() {
    await handBack(claimed.splice(0))
    while (!stopped && processor.obstacle() !== null) await Promise.race([processor.whenAble(), freed.promise])
  }

  async function work() {
    while (!stopped) {
      if (processor.obstacle() !== null) await waitUntilAble()
      while (claimed.length > 0 && room() > 0) begin(claimed.shift()!)
      if (claimed.length > 0 || !hasRoom()) {
        await freed.promise
        continue
      }
      // With as many more that wait here: a claim costs the same for more of them.
      const jobs = await queue.take(room() + processor.capacity)
      if (jobs.length === 0) return
      if (processor.obstacle() === null) await claim(jobs)
      else await queue.add(jobs)
    }
  }

  /** For others to take now, not only when the lease has run out. */
  async function handBack(works: Work[]) {
    if (works.length === 0) return
    const back = await persist('giving back work', () => store.giveBack(works))
    for (const work of works) held.delete(work)
    if (!back) return
    await feed.publish(back)
    await queue.add(toJobs(back))
  }

  const renewing = setInterval(() => {
    if (held.size === 0) return
    store
      .renew([...new Set([...held].map(({ token }) => token))], lease)
      .catch((error: unknown) => log.warn({ err: error }, 'the lease could not be renewed'))
  }, LEASE_MS / 3)
  const working = work()

  return {
    async stop() {
      stopped = true
      free()
      await queue.endTaking()
      await working
      await handBack(claimed.splice(0))
      await Promise.all(finishing)
      await handBack(interrupted)
      clearInterval(renewing)
    },
  }
}

/** A file that can't be developed is its sender's concern, and worth a line for who is asked about it; one that can is not. */
function logOutcome(log: Logger, { id, batchId, sha256, failure }: Image) {
  const image = { image: id, batch: batchId, sha256 }
  if (failure) log.info({ ...image, code: failure.code }, 'image failed')
  else log.debug(image, 'image completed')
}
