// Bulk jobs, done in steps: each a page of images and a transaction of its own, by the same flows as single ones.
import { randomUUID } from 'node:crypto'
import { setImmediate as letOthers } from 'node:timers/promises'
import type { AccountStore } from '../../accounts/account-store.ts'
import { parseActor, type AuditLog } from '../../accounts/audit/audit-log.ts'
import { TRAITS } from '../../error-codes.ts'
import { toCalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import type { Logger } from '../../log.ts'
import type { BulkJobs, HeldJob, JobLease, JobStep } from '../../record/admin/bulk-jobs.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import type { AnnounceDeps } from '../announce.ts'
import { deleteImages } from '../images/delete-images.ts'
import { retryWithOthers } from '../images/retry-images.ts'

export interface BulkDeps extends AnnounceDeps {
  images: Pick<ImageStore, 'getMany' | 'list' | 'deleteMany' | 'retryMany'>
  jobs: BulkJobs
  accounts: Pick<AccountStore, 'getUser'>
  audit: AuditLog
  log: Logger
}

const IMAGES_A_STEP = 500
// A server that dies is noticed after so long; each step says that it lives.
const LEASE_MS = 10_000
const MOST_AT_ONCE = 4
const NOT_ALLOWED = 'Whoever began this is no longer an administrator. What is done stays done; an administrator can begin the rest again.'
/** The cursor behind the last page. */
const END = 'end'

export interface BulkRunner {
  /** Takes up what is to be done; to be called about every second. */
  look(): Promise<void>
  /** Ends what is in hand after its step, and gives it back. */
  stop(): Promise<void>
}

export function createBulkRunner(deps: BulkDeps): BulkRunner {
  const { jobs, log } = deps
  const running = new Set<Promise<void>>()
  let stopped = false

  async function run(job: HeldJob, lease: JobLease) {
    try {
      await finish(deps, job, await doSteps(deps, job, lease, () => stopped), lease)
    } catch (thrown) {
      const error = toCalotypeError(thrown)
      log.error({ err: thrown, job: job.id }, 'a bulk job stopped')
      if (!TRAITS[error.code].isPassing) await finish(deps, job, { state: 'failed', error: error.message }, lease)
    } finally {
      await jobs.giveBack(lease.token)
    }
  }

  return {
    async look() {
      while (!stopped && running.size < MOST_AT_ONCE) {
        const lease = { token: randomUUID(), ms: LEASE_MS }
        const job = await jobs.take(lease)
        if (!job) return
        const whole = run(job, lease)
          // Its lease runs out.
          .catch((error: unknown) => log.error({ err: error, job: job.id }, 'a bulk job was left'))
          .finally(() => running.delete(whole))
        running.add(whole)
      }
    },
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}

type End = { state: 'done' } | { state: 'failed'; error: string }

/** Null where it goes no further here: cancelled, in other hands, or to be gone on with by another. */
async function doSteps(deps: BulkDeps, job: HeldJob, lease: JobLease, isStopped: () => boolean): Promise<End | null> {
  let cursor = job.cursor
  if (job.begun && !(await redo(deps, job, job.begun, lease))) return null
  while (cursor !== END) {
    if (isStopped()) return null
    if (!(await mayGoOn(deps, job))) return { state: 'failed', error: NOT_ALLOWED }
    const step = await nextStep(deps, job, cursor)
    if (!(await deps.jobs.beginStep(job.id, lease, step))) return null
    const done = await act(deps, job, step.ids)
    if (!(await deps.jobs.endStep(job.id, lease, done))) return null
    cursor = step.cursor
    await letOthers()
  }
  return { state: 'done' }
}

/** Whether whoever made the job is still an administrator; a session or key that has ended since does not matter. */
async function mayGoOn({ accounts }: BulkDeps, { actor }: HeldJob): Promise<boolean> {
  const userId = 'userId' in actor ? actor.userId : null
  if (typeof userId !== 'string') return true
  const user = await accounts.getUser(userId)
  return user !== null && user.role === 'admin' && user.disabledAt === null
}

/** A step is one transaction: whoever began it has done all of it, if there is nothing left to do. */
async function redo(deps: BulkDeps, job: HeldJob, begun: string[], lease: JobLease): Promise<boolean> {
  const done = await act(deps, job, begun)
  return deps.jobs.endStep(job.id, lease, { ...done, changed: done.changed || begun.length })
}

async function nextStep({ images }: BulkDeps, job: HeldJob, cursor: string | null): Promise<JobStep> {
  const { page, next } = await nextPage(images, job, cursor)
  const changeable = job.action === 'retry' ? page.filter(isRetryable) : page
  return { seen: page.length, ids: changeable.map(({ id }) => id), cursor: next ?? END }
}

/** As `record/images/retry-images.ts` has it. */
const isRetryable = ({ status, failure }: Image) => status === 'error' && failure?.code !== 'original_damaged'

async function nextPage(images: BulkDeps['images'], { selection, createdAt }: HeldJob, cursor: string | null) {
  if ('ids' in selection) {
    const from = Number(cursor ?? 0)
    const page = await images.getMany(selection.ids.slice(from, from + IMAGES_A_STEP), null)
    const to = from + IMAGES_A_STEP
    return { page, next: to < selection.ids.length ? String(to) : null }
  }
  // What was uploaded after it was confirmed is not meant.
  const filter = { ...selection.filter, to: Math.min(selection.filter.to ?? Infinity, createdAt) }
  const { images: page, next } = await images.list(
    { ...filter, sort: 'oldest', limit: IMAGES_A_STEP, ...(cursor !== null && { cursor }) },
    null,
  )
  return { page, next }
}

/** What came along with those of the step, by its bytes, counts as well, if it was selected. */
async function act(deps: BulkDeps, job: HeldJob, ids: string[]): Promise<{ changed: number; alsoSeen: number }> {
  if (ids.length === 0) return { changed: 0, alsoSeen: 0 }
  if (job.action === 'delete') return { changed: await deleteImages(deps, ids, null), alsoSeen: 0 }
  const asked = new Set(ids)
  const retried = await retryWithOthers(deps, ids, null)
  const others = retried.filter((image) => !asked.has(image.id) && isSelected(job, image)).length
  const own = retried.filter((image) => asked.has(image.id)).length
  // Where it is about failed ones, they are in no later page: they do not fail any more.
  const isAboutFailed = 'filter' in job.selection && (job.selection.filter.status ?? job.selection.filter.code) !== undefined
  return { changed: own + others, alsoSeen: isAboutFailed ? others : 0 }
}

/** An image that failed. */
function isSelected({ selection, createdAt }: HeldJob, image: Image): boolean {
  if ('ids' in selection) return selection.ids.includes(image.id)
  const { q, format, batch, owner, from = -Infinity, to = Infinity } = selection.filter
  return (
    (q === undefined || image.name.toLowerCase().includes(q.toLowerCase())) &&
    (format === undefined || image.format === format) &&
    (batch === undefined || image.batchId === batch) &&
    (owner === undefined || image.ownerId === owner) &&
    image.uploadedAt >= from &&
    image.uploadedAt < Math.min(to, createdAt)
  )
}

/** One that was cancelled was ended, and written down, by who cancelled it. */
async function finish({ jobs, audit }: BulkDeps, { id, actor, action }: HeldJob, end: End | null, { token }: JobLease): Promise<void> {
  const ended = end && (await jobs.end(id, token, end))
  if (!ended) return
  const { state, seen, changed, error } = ended
  const detail = { action, seen, changed, ...(error !== null && { error }) }
  await audit.record({ actor: parseActor(actor), action: `job.${state}`, target: { kind: 'job', id }, detail })
}
