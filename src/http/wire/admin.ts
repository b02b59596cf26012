// The admin area on the wire: from images, batches, the pause, workers and jobs to what administrators are sent.
import type { ApiAdminBatchOwner, ApiAdminImage, ApiImageDetail, ApiPause, ApiWorker } from '../../api/admin.ts'
import type { ApiBatch } from '../../api/batches.ts'
import type { ApiJob } from '../../api/jobs.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { TimelineStep } from '../../flow/admin/read-timeline.ts'
import type { Image } from '../../image.ts'
import type { Batch } from '../../record/batches/batch-store.ts'
import type { BulkJob } from '../../record/admin/bulk-jobs.ts'
import type { WorkStore } from '../../record/work/work-store.ts'
import type { Pause } from '../../record/work/work-pause.ts'
import type { Worker } from '../../record/work/worker-registry.ts'
import { toApiBatch } from './batches.ts'
import { toApiImage } from './images.ts'
import { iso, isoOrNull } from './iso.ts'

type People = Pick<AccountStore, 'emailsOf'>

/** Whose each is; who has no account any more has no address. */
async function ownersOf(accounts: People, owned: { ownerId: string | null }[]) {
  const ids = [...new Set(owned.flatMap(({ ownerId }) => ownerId ?? []))]
  const emails = await accounts.emailsOf(ids)
  return (ownerId: string | null): ApiAdminBatchOwner['owner'] =>
    ownerId === null ? null : { id: ownerId, email: emails.get(ownerId) ?? null }
}

export async function toAdminImages(accounts: People, work: Pick<WorkStore, 'doneFor'>, page: Image[]): Promise<ApiAdminImage[]> {
  const [ownerOf, done] = await Promise.all([ownersOf(accounts, page), work.doneFor(page.map(({ id }) => id))])
  return page.map((image) => ({ ...toApiImage(image), owner: ownerOf(image.ownerId), attempts: done.get(image.id)?.attempts ?? 0 }))
}

export async function toAdminBatches(accounts: People, page: Batch[]): Promise<(ApiBatch & ApiAdminBatchOwner)[]> {
  const ownerOf = await ownersOf(accounts, page)
  return page.map((batch) => ({ ...toApiBatch(batch), owner: ownerOf(batch.ownerId) }))
}

export const toApiTimeline = (steps: TimelineStep[]): ApiImageDetail['timeline'] =>
  steps.map(({ at, ...step }, index) => {
    const before = steps[index - 1]
    return { ...step, at: iso(at), after_ms: before === undefined ? null : Math.max(0, at - before.at) }
  })

export const toApiPause = (pause: Pause | null): ApiPause | null =>
  pause && { by: pause.by, reason: pause.reason, since: iso(pause.since), until: iso(pause.until) }

export const toApiWorker = ({ startedAt, seenAt, isAlive, inHand, ...worker }: Worker): ApiWorker => ({
  ...worker,
  started_at: iso(startedAt),
  last_seen_at: iso(seenAt),
  alive: isAlive,
  in_hand: inHand.map(({ id, name, startedAt }) => ({ id, name, started_at: iso(startedAt) })),
})

export const toApiJob = ({ id, action, state, seen, changed, total, by, createdAt, finishedAt, error }: BulkJob): ApiJob => ({
  id,
  action,
  state,
  seen,
  changed,
  total,
  by,
  created_at: iso(createdAt),
  finished_at: isoOrNull(finishedAt),
  error,
})
