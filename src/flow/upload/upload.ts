// What the flows of an upload share: what they need, what an upload is, and what makes two of them the same.
import { createHash } from 'node:crypto'
import { setImmediate as letOthers } from 'node:timers/promises'
import { CalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { Job, JobQueue } from '../../queue/job-queue.ts'
import type { ReceivedFile, RefusedFile } from '../../receive/receive-files.ts'
import type { BatchKind } from '../../record/batches/batch-store.ts'
import type { ImageStore, Rejected } from '../../record/images/image-store.ts'
import type { Recipe } from '../../rendition/presets.ts'
import type { BlobStore } from '../../store/blob-store.ts'

/** An upload whose server has not said for so long that it still arrives is given up; one that lives says so three times in that. */
export const UPLOAD_LEASE_MS = 15_000

export interface UploadDeps {
  /** What uploads are to become. */
  recipe: Recipe
  blobs: BlobStore
  images: ImageStore
  queue: JobQueue
  feed: EventFeed
}

export interface Upload {
  batchId: string
  /** By their place in what was sent. */
  images: Image[]
  rejected: Rejected[]
}

/** The error of an upload of which no file was taken: the reason of the first, and the list of all. */
export const noneTaken = (first: Rejected, rejected: Rejected[]) => new CalotypeError(first.code, first.error, { details: { rejected } })

export type IncomingFiles = AsyncIterable<ReceivedFile | RefusedFile>

/** What two uploads must share to be the same: endpoint, and name and content of every file in its place. */
export function fingerprintOf(kind: BatchKind, files: (ReceivedFile | RefusedFile)[]): string {
  const contents = files
    .map((file) => [file.index, file.name, file.outcome === 'received' ? file.sha256 : file.code] as const)
    .sort((a, b) => a[0] - b[0])
  return createHash('sha256')
    .update(JSON.stringify([kind, contents]))
    .digest('hex')
}

// So many events at once, so that ten thousand images do not hold the server up, nor one message become too large.
const ANNOUNCED_AT_ONCE = 500

/** After their commit: tells everyone of images that changed, and queues those that wait. */
export async function announce({ feed, queue }: Pick<UploadDeps, 'feed' | 'queue'>, images: Image[]): Promise<void> {
  for (let at = 0; at < images.length; at += ANNOUNCED_AT_ONCE) {
    const slice = images.slice(at, at + ANNOUNCED_AT_ONCE)
    await feed.publish(slice)
    await queue.add(toJobs(slice.filter((image) => image.status === 'pending')))
    if (images.length > ANNOUNCED_AT_ONCE) await letOthers()
  }
}

/**
 * As `announce`, of images that became `pending` in a batch that can be cancelled meanwhile. A batch that was, between their commit and
 * now, has said so before them: it is said again, so that the last word about each is what it is.
 */
export async function announceInBatch(
  deps: Pick<UploadDeps, 'feed' | 'queue' | 'images'>,
  batchId: string,
  changed: Image[],
): Promise<void> {
  if (changed.length === 0) return
  await announce(deps, changed)
  if (!(await deps.images.isCancelled(batchId))) return
  const now = await deps.images.getMany(
    changed.map(({ id }) => id),
    null,
  )
  await announce(
    deps,
    now.filter(({ status }) => status === 'aborted'),
  )
}

/** From now on, until it is ended: as long as this server lives, nobody gives up the upload or its key. */
export function renew({ images }: Pick<UploadDeps, 'images'>, batchId: string): { end(): void } {
  const timer = setInterval(() => void images.renewUpload(batchId, UPLOAD_LEASE_MS).catch(() => undefined), UPLOAD_LEASE_MS / 3)
  return { end: () => clearInterval(timer) }
}

/** Does it, however long that takes, and renews meanwhile. */
export async function renewing<T>(deps: Pick<UploadDeps, 'images'>, batchId: string, action: () => Promise<T>): Promise<T> {
  const renewal = renew(deps, batchId)
  try {
    return await action()
  } finally {
    renewal.end()
  }
}

/** The hints that bring images to a worker. */
export const toJobs = (images: Image[]): Job[] => images.map(({ sha256, batchId, batchIndex }) => ({ sha256, batchId, place: batchIndex }))
