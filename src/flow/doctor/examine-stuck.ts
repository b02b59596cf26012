// Finds rows that should have gone on long ago, and has them go on.
import type { RowSurvey, Stuck } from '../../record/admin/row-survey.ts'
import type { BatchStore } from '../../record/batches/batch-store.ts'
import type { UploadStore } from '../../record/uploads/upload-store.ts'
import type { WorkStore } from '../../record/work/work-store.ts'
import { collect, type DeleteDeps } from '../originals/delete-originals.ts'
import { inWords, mend, type FindingCode, type Report } from './findings.ts'

export interface ExamineStuckDeps extends DeleteDeps {
  uploads: Pick<UploadStore, 'abandoned' | 'abort' | 'sweepAborted'>
  work: Pick<WorkStore, 'reclaim'>
  batches: Pick<BatchStore, 'expireDeclared'>
  survey: RowSurvey
  report: Report
}

interface Options {
  repair: boolean
  graceMs: number
  isServed: boolean
}

// Servers and workers renew what they have in hand every few seconds, and look for what they have to do as often.
const OVERDUE_MS = 10 * 60 * 1000

/** Rejects when the rows can not be read. */
export async function examineStuck({ survey, report, ...deps }: ExamineStuckDeps, { repair, graceMs, isServed }: Options): Promise<void> {
  const { uploads, work, batches } = deps
  const stuck = await survey.stuck(OVERDUE_MS)
  const examine = async (code: FindingCode, { count, longestMs }: Stuck, what: string, action?: () => Promise<unknown>) => {
    if (count === 0) return
    const finding = { code, what: `${count} ${what} ${inWords(longestMs)}.` }
    if (action) await mend({ report, repair }, finding, action)
    else report({ ...finding, mended: false })
  }
  await examine('lease_gone', stuck.leaseGone, 'developments are in the hands of a worker that has not been heard of for', () =>
    work.reclaim(false),
  )
  await examine('arriving_for_ever', stuck.arriving, 'uploads arrive at a server that has not been heard of for', async () => {
    for (const batch of await uploads.abandoned(false)) await uploads.abort(batch)
    await uploads.sweepAborted()
  })
  await examine('rows_disagree', stuck.disagreeing, 'images say something else than their development does, for at most', () =>
    survey.reconcileStatuses(),
  )
  await examine('never_expired', stuck.unexpired, 'declared batches should have expired, for', () => batches.expireDeclared())
  await examine('removal_unfinished', stuck.removing, 'originals are being removed since', () => collect(deps, graceMs))
  if (isServed) await examine('nobody_develops', stuck.waiting, 'images wait, and nothing has been developed for')
}
