// A bulk action is counted, confirmed, written down; and cancelled. `run-bulk-jobs.ts` does it.
import { newId } from '../../new-id.ts'
import type { Actor, AuditLog } from '../../accounts/audit/audit-log.ts'
import { CalotypeError } from '../../errors.ts'
import type { BulkJob, BulkJobs, ImageSelection, JobAction } from '../../record/admin/bulk-jobs.ts'
import type { ImageStore } from '../../record/images/image-store.ts'

interface Deps {
  images: Pick<ImageStore, 'count' | 'getMany'>
  jobs: BulkJobs
  audit: AuditLog
}

// More than was confirmed, by so much: somebody looks at it again.
const MOST_GROWTH = 1.1

export async function countSelection({ images }: Pick<Deps, 'images'>, selection: ImageSelection): Promise<number> {
  return 'ids' in selection ? (await images.getMany(selection.ids, null)).length : images.count(selection.filter, null)
}

/** Throws `count_changed` if there are more than a tenth more by now than were confirmed. */
export async function makeBulkJob(
  deps: Deps,
  actor: Actor,
  { by, action, selection, confirmed }: { by: string; action: JobAction; selection: ImageSelection; confirmed: number },
): Promise<BulkJob> {
  const total = await countSelection(deps, selection)
  if (total > confirmed * MOST_GROWTH) throw new CalotypeError('count_changed')
  const job = await deps.jobs.add({ id: newId(), action, selection, total, by, actor })
  const which = 'ids' in selection ? {} : { filter: selection.filter }
  await deps.audit.record({
    actor,
    action: 'job.created',
    target: { kind: 'job', id: job.id },
    detail: { action, images: total, ...which },
  })
  return job
}

/** Null if there is none. What the step in hand has changed stays so. Repeatable. */
export async function cancelBulkJob({ jobs, audit }: Pick<Deps, 'jobs' | 'audit'>, actor: Actor, id: string): Promise<BulkJob | null> {
  const cancelled = await jobs.cancel(id)
  if (!cancelled) return null
  const { job, hasEnded } = cancelled
  const { action, seen, changed } = job
  if (hasEnded) await audit.record({ actor, action: 'job.cancelled', target: { kind: 'job', id }, detail: { action, seen, changed } })
  return job
}
