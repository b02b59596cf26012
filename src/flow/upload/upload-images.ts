// The journey's first half: files are received, stored, recorded, announced and queued, group by group, and acknowledged at the end.
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { Image } from '../../image.ts'
import { newId } from '../../new-id.ts'
import type { ReceivedFile } from '../../receive/receive-files.ts'
import type { BatchKind } from '../../record/batches/batch-store.ts'
import type { Acknowledgement, Entry, NewImage, UploadStore } from '../../record/uploads/upload-store.ts'
import type { Recipe } from '../../rendition/presets.ts'
import { announce, type AnnounceDeps } from '../announce.ts'
import { abortUpload, type AbortDeps } from './abort-upload.ts'
import { fingerprintOfUpload } from '../idempotency/fingerprint.ts'
import { acceptedFiles, groupFiles, type FileGroup, type GroupFile, type IncomingFiles } from './group-files.ts'
import { discardFiles, storeOriginals, type StoreDeps } from './store-originals.ts'
import { noneTaken, type Upload } from './taken-upload.ts'
import { renew, UPLOAD_LEASE_MS } from './upload-lease.ts'

export interface UploadImagesDeps extends StoreDeps, AbortDeps, AnnounceDeps {
  /** What the images are to become. */
  recipe: Recipe
  uploads: Pick<UploadStore, 'record' | 'renewLease' | 'abort' | 'sweepAborted'>
  queue: AbortDeps['queue'] & AnnounceDeps['queue']
  feed: AnnounceDeps['feed']
}

export interface UploadOptions {
  batchId: string
  kind: BatchKind
  /** Whose images they will be. */
  ownerId: string | null
  files: IncomingFiles
  /** A key reserved for this batch; `answer` is kept for repeats, null if the outcome of the image is the answer. */
  idempotency?: { key: string; answer: ((upload: Upload) => string) | null }
}

// Uploads that arrive at the same time share transactions of so long, which nobody notices where sixteen take a quarter of a second each.
// One that arrives alone waits for nothing.
const MAX_DELAY_MS = 50

/** Uploads that are arriving, by what they are stored and recorded with. */
const arriving = new WeakMap<UploadImagesDeps['uploads'], number>()

/**
 * Takes an upload in. Resolves once every file that was taken is durable, bytes and row: that is the acknowledgement. Rejects with
 * the reason of the first refused file and the list of all if none was taken, with `no_file` if none came, and with the reason of a body
 * that could not be read: what was recorded of it is aborted and swept.
 */
export async function uploadImages(deps: UploadImagesDeps, options: UploadOptions): Promise<Upload> {
  const { uploads } = deps
  const upload = new ArrivingUpload(deps, options)
  arriving.set(uploads, (arriving.get(uploads) ?? 0) + 1)
  try {
    for await (const group of groupFiles(options.files, (left) => discardFiles(deps, acceptedFiles(left)))) {
      await upload.take(group)
    }
    return upload.whole()
  } catch (error) {
    if (upload.isStarted) await abortUpload(deps, options.batchId)
    throw toCalotypeError(error)
  } finally {
    arriving.set(uploads, arriving.get(uploads)! - 1)
    upload.end()
  }
}

class ArrivingUpload {
  isStarted = false
  readonly #deps: UploadImagesDeps
  readonly #options: UploadOptions
  readonly #seen: GroupFile[] = []
  readonly #images: Image[] = []
  #renewal: ReturnType<typeof renew> | undefined

  constructor(deps: UploadImagesDeps, options: UploadOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Stores, records and announces a group. */
  async take(group: FileGroup): Promise<void> {
    const files = acceptedFiles(group.files)
    this.#seen.push(...group.files)
    const reason = group.failure ?? (group.isLast ? this.#reasonToRefuse() : null)
    if (reason !== null) {
      await discardFiles(this.#deps, files)
      throw reason
    }
    await storeOriginals(this.#deps, files)
    const recorded = await this.#record(files, group.isLast)
    failpoint('upload-committed')
    await announce(this.#deps, recorded)
    failpoint('upload-announced')
  }

  /** Of a body that came to its end. */
  #reasonToRefuse(): CalotypeError | null {
    const rejected = this.#rejected()
    if (rejected.length < this.#seen.length) return null
    return rejected[0] ? noneTaken(rejected[0], rejected) : new CalotypeError('no_file')
  }

  async #record(files: ReceivedFile[], isLast: boolean): Promise<Image[]> {
    const { batchId, kind, ownerId, idempotency } = this.#options
    const entry: Entry = {
      ...(!this.isStarted && { start: { id: batchId, kind, ownerId, leaseMs: UPLOAD_LEASE_MS } }),
      images: files.map((file) => this.#toImage(file)),
      ...(isLast && { acknowledgement: this.#acknowledgement() }),
    }
    // From here on there may be rows, whatever becomes of the call.
    this.isStarted = true
    // What is whole at once is never waited for; and who has a key renews both.
    if (!isLast && !idempotency) this.#renewal ??= renew(this.#deps, batchId)
    const { uploads, releases } = this.#deps
    try {
      const recorded = await uploads.record(entry, arriving.get(uploads)! > 1 ? MAX_DELAY_MS : 0)
      this.#images.push(...recorded)
      return recorded
    } catch (error) {
      // The bytes are stored and have no row: released, they are collected unless someone else uses them.
      await releases.release(files)
      throw error
    }
  }

  #toImage({ index, name, format, size, sha256 }: ReceivedFile): NewImage {
    const { batchId, ownerId } = this.#options
    return { id: newId(), batchId, ownerId, batchIndex: index, name, format, size, sha256, recipe: this.#deps.recipe }
  }

  #acknowledgement(): Acknowledgement {
    const { batchId, kind, idempotency } = this.#options
    const answer = idempotency?.answer
    return {
      batchId,
      rejected: this.#rejected(),
      ...(idempotency && {
        idempotency: {
          key: idempotency.key,
          fingerprint: fingerprintOfUpload(kind, this.#seen),
          answer: answer ? (last) => answer(this.#upload([...this.#images, ...last])) : null,
        },
      }),
    }
  }

  #rejected() {
    return this.#seen
      .filter((file) => file.outcome === 'refused')
      .sort((a, b) => a.index - b.index)
      .map(({ name, code, error, index }) => ({ name, code, error, index }))
  }

  #upload(images: Image[]): Upload {
    return { batchId: this.#options.batchId, images: images.toSorted((a, b) => a.batchIndex - b.batchIndex), rejected: this.#rejected() }
  }

  whole(): Upload {
    return this.#upload(this.#images)
  }

  end(): void {
    this.#renewal?.end()
  }
}
