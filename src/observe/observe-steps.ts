// The steps as they are watched: each contract wrapped in one that does the same and tells what came of it.
import { toCalotypeError } from '../errors.ts'
import { isFinal } from '../image.ts'
import type { ImageProcessor } from '../process/image-processor.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { BatchStore } from '../record/batches/batch-store.ts'
import type { Records } from '../record/records.ts'
import type { UploadStore } from '../record/uploads/upload-store.ts'
import type { WorkStore } from '../record/work/work-store.ts'
import type { BlobStore } from '../store/blob-store.ts'
import { now, type BlobOperation, type Observer, type Took } from './observer.ts'

/** Does it, and says how long it took; nothing of what failed, unless `failed` is there to hear it. */
async function timed<T>(
  action: () => Promise<T>,
  done: (took: Took, result: T) => void,
  failed?: (took: Took, error: unknown) => void,
): Promise<T> {
  const startedAt = now()
  let result: T
  try {
    result = await action()
  } catch (error) {
    failed?.({ startedAt, endedAt: now() }, error)
    throw error
  }
  done({ startedAt, endedAt: now() }, result)
  return result
}

export function observeBlobs(blobs: BlobStore, { tell }: Observer): BlobStore {
  const operation = <T>(name: BlobOperation, keys: string[], action: () => Promise<T>) =>
    timed(
      action,
      (took) => tell({ what: 'blob', operation: name, keys, code: null, took }),
      (took, error) => tell({ what: 'blob', operation: name, keys, code: toCalotypeError(error).code, took }),
    )
  return {
    ...blobs,
    put: (path, key, options) => operation('put', [key], () => blobs.put(path, key, options)),
    checkout: (key) => operation('checkout', [key], () => blobs.checkout(key)),
    stat: (key) => operation('stat', [key], () => blobs.stat(key)),
    read: (key, range) => operation('read', [key], () => blobs.read(key, range)),
    link: (key, options) => operation('link', [key], () => blobs.link(key, options)),
    delete: (keys) => operation('delete', keys, () => blobs.delete(keys)),
  }
}

export const observeRecords = (records: Records, observer: Observer): Records => ({
  ...records,
  uploads: observeUploads(records.uploads, observer),
  batches: observeBatches(records.batches, observer),
  work: observeWork(records.work, observer),
})

const observeUploads = (uploads: UploadStore, { tell }: Observer): UploadStore => ({
  ...uploads,
  record: (entry, maxDelayMs) =>
    timed(
      () => uploads.record(entry, maxDelayMs),
      (took, recorded) => {
        const batchId = entry.start?.id ?? entry.acknowledgement?.batchId ?? entry.images[0]?.batchId
        if (batchId !== undefined) tell({ what: 'recorded', batchId, isDeclared: false, images: recorded, took })
      },
    ),
})

const observeBatches = (batches: BatchStore, { tell }: Observer): BatchStore => ({
  ...batches,
  receive: (batchId, arrivals, owner) =>
    timed(
      () => batches.receive(batchId, arrivals, owner),
      (took, arrived) => {
        const taken = arrived.flatMap((one) => ('image' in one && one.isNew ? one.image : []))
        tell({ what: 'recorded', batchId, isDeclared: true, images: taken, took })
      },
    ),
  declare: (declaration) =>
    timed(
      () => batches.declare(declaration),
      (took) => tell({ what: 'declared', batchId: declaration.batchId, took }),
    ),
})

const observeWork = (work: WorkStore, { tell }: Observer): WorkStore => ({
  ...work,
  claim: (hashes, lease) =>
    timed(
      () => work.claim(hashes, lease),
      (took, claimed) => {
        const taken = claimed.works.map(({ sha256 }) => sha256)
        if (taken.length > 0) tell({ what: 'claimed', hashes: taken, images: claimed.images, took })
      },
    ),
  giveBack: (works) =>
    timed(
      () => work.giveBack(works),
      () => tell({ what: 'given-back', hashes: works.map(({ sha256 }) => sha256) }),
    ),
  finish: (result, maxDelayMs) =>
    timed(
      () => work.finish(result, maxDelayMs),
      (took, changed) => tell({ what: 'finished', sha256: result.sha256, images: changed, took }),
    ),
  reclaim: (isOnlyServer) =>
    timed(
      () => work.reclaim(isOnlyServer),
      (_took, reclaimed) => {
        if (reclaimed.length > 0) tell({ what: 'reclaimed', images: reclaimed })
      },
    ),
})

/** Not a copy: it has a state of its own. */
export function observeProcessor(processor: ImageProcessor, { tell }: Observer): ImageProcessor {
  return {
    capacity: processor.capacity,
    develop: (task) =>
      timed(
        () => processor.develop(task),
        (took, result) => {
          if (result.outcome === 'interrupted') return
          tell({ what: 'developed', sha256: task.sha256, code: result.outcome === 'failed' ? result.failure.code : null, took })
        },
      ),
    obstacle: () => processor.obstacle(),
    whenAble: () => processor.whenAble(),
    stats: () => processor.stats(),
    close: (graceMs) => processor.close(graceMs),
  }
}

const EVENTS_AT_ONCE = 256

/** `hears`: whether this process hears what others publish. */
export function observeFeed(feed: EventFeed, { tell }: Observer, { hears }: { hears: boolean }): EventFeed {
  if (hears) hearAll(feed, tell)
  return {
    ...feed,
    publish: (images) =>
      timed(
        () => feed.publish(images),
        (took) => {
          if (images.length > 0) tell({ what: 'published', images, took })
        },
      ),
  }
}

/** Only final states know when they were committed. */
function hearAll(feed: EventFeed, tell: Observer['tell']): void {
  let seq = feed.position()
  let isReading = false
  let isWoken = false

  async function read() {
    while (isWoken) {
      isWoken = false
      const events = await feed.read(seq, EVENTS_AT_ONCE)
      const heardAt = Date.now()
      seq = events?.at(-1)?.seq ?? (events ? seq : feed.position())
      for (const { image } of events ?? [])
        if (isFinal(image.status) && image.finishedAt !== null) tell({ what: 'heard', lagMs: Math.max(0, heardAt - image.finishedAt) })
      isWoken ||= events?.length === EVENTS_AT_ONCE
    }
  }

  feed.onAppend(() => {
    isWoken = true
    if (isReading) return
    isReading = true
    void read()
      .catch(() => {})
      .finally(() => (isReading = false))
  })
}

/** A sweep that tells when it ran; the same, if nobody watches. */
export function observeSweep(sweep: string, observer: Observer | undefined, action: () => Promise<void>): () => Promise<void> {
  if (!observer) return action
  const tell = (took: Took, failed: boolean) => observer.tell({ what: 'sweep', sweep, failed, took })
  return () =>
    timed(
      action,
      (took) => tell(took, false),
      (took) => tell(took, true),
    )
}
