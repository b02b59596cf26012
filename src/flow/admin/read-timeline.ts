// What became of an image, step by step, from its row and that of its development.
import { FORMATS, type Image } from '../../image.ts'
import type { WorkDone } from '../../record/work/work-store.ts'

export interface TimelineStep {
  step: 'received' | 'recorded' | 'started' | 'finished' | 'failed' | 'aborted'
  /** Milliseconds since 1970. */
  at: number
  /** The process that had it. */
  worker: string | null
  /** For a person. */
  detail: string | null
}

/** Oldest first. An image of bytes that were developed for another one before has no `started` of its own. */
export function readTimeline(image: Image, work: WorkDone): TimelineStep[] {
  const { uploadedAt } = image
  const recorded: TimelineStep = { step: 'recorded', at: uploadedAt, worker: null, detail: `File ${image.batchIndex + 1} of its upload` }
  const steps = [...received(image), recorded, ...developed(image, work)]
  if (image.status === 'aborted') steps.push({ step: 'aborted', at: image.finishedAt ?? uploadedAt, worker: null, detail: null })
  return steps
}

/** When its id was made: it was wholly here, and was to be stored next. */
function received({ id, uploadedAt, size, format }: Image): TimelineStep[] {
  const at = timeOf(id)
  if (at === null) return []
  // By the clock of a server, which may differ from that of the database.
  return [{ step: 'received', at: Math.min(at, uploadedAt), worker: null, detail: `${size} bytes, ${FORMATS[format].type}` }]
}

/** Of a UUID of version 7: its first 48 bits (RFC 9562). */
const timeOf = (id: string): number | null => (id[14] === '7' ? Number.parseInt(id.slice(0, 13).replace('-', ''), 16) : null)

function developed(image: Image, work: WorkDone): TimelineStep[] {
  const { status, uploadedAt } = image
  const { startedAt, finishedAt, worker, attempts } = work
  if (status === 'aborted' || startedAt === null) return outcome(image, work)
  // Tried again, and not begun again yet: what was before.
  if (status === 'pending') {
    if (finishedAt !== null && work.failure)
      return [start(image, work), { step: 'failed', at: finishedAt, worker, detail: work.failure.error }]
    return attempts > 0 ? [{ ...start(image, work), detail: `Attempt ${attempts}, which did not come to its end` }] : []
  }
  // Its bytes were there before it.
  const isOwn = finishedAt === null || finishedAt > uploadedAt
  return [...(isOwn ? [start(image, work)] : []), ...outcome(image, work)]
}

function start({ uploadedAt }: Image, { startedAt, worker, attempts }: WorkDone): TimelineStep {
  const isShared = startedAt! < uploadedAt
  const detail = isShared ? 'In hand already for another image of the same bytes' : attempts > 1 ? `Attempt ${attempts}` : null
  return { step: 'started', at: Math.max(startedAt!, uploadedAt), worker, detail }
}

function outcome({ status, finishedAt, uploadedAt, outcome: done, failure }: Image, work: WorkDone): TimelineStep[] {
  if (finishedAt === null) return []
  const isKnown = work.finishedAt !== null && work.finishedAt < uploadedAt
  const end = { at: finishedAt, worker: isKnown ? null : work.worker }
  if (status === 'error') return [{ step: 'failed', ...end, detail: failure?.error ?? null }]
  if (status !== 'completed') return []
  const made = done && `${done.image.width} × ${done.image.height} pixels, ${done.image.size} bytes`
  return [{ step: 'finished', ...end, detail: isKnown ? `The same bytes were developed before: ${made}` : made }]
}
