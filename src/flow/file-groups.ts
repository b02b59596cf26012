// Groups the files of one upload as they arrive, and stores, records, announces and queues each group before the next.
import { v7 as uuidv7 } from 'uuid'
import { CalotypeError } from '../errors.ts'
import { originalKey, RECIPE, type Image } from '../image.ts'
import type { ReceivedFile } from '../receive/receive-files.ts'
import type { NewBatch, NewImage, Received } from '../record/image-store.ts'
import { toJobs, type UploadDeps } from './upload.ts'

// A transaction for so many files; a group that is not full goes when its first file has waited so long, so that development
// starts while a slow body still arrives.
const GROUP_FILES = 32
const GROUP_AGE_MS = 250

export class FileGroups {
  readonly #deps: UploadDeps
  readonly #batch: NewBatch
  readonly #recorded: Image[] = []
  #group: { file: ReceivedFile; image: NewImage }[] = []
  #timer: NodeJS.Timeout | undefined
  #tail: Promise<void> = Promise.resolve()
  #started = false
  #failure: unknown = null

  constructor(deps: UploadDeps, batch: NewBatch) {
    this.#deps = deps
    this.#batch = batch
  }

  /** Takes a file over. Throws if a group before it failed. */
  add(file: ReceivedFile): void {
    const { index, name, format, size, sha256 } = file
    const image = { id: uuidv7(), batchId: this.#batch.id, batchIndex: index, name, format, size, sha256, recipe: RECIPE }
    this.#group.push({ file, image })
    if (this.#failure) throw this.#failure as Error
    if (this.#group.length >= GROUP_FILES) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), GROUP_AGE_MS)
  }

  #flush(receive?: (recorded: Image[]) => Received) {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const group = this.#group
    this.#group = []
    this.#tail = this.#tail
      .then(async () => {
        if (this.#failure) return await this.#discard(group)
        await this.#store(group)
        await this.#record(
          group.map((member) => member.image),
          receive?.(this.#recorded),
        )
      })
      .catch((error: unknown) => {
        this.#failure ??= error
      })
  }

  async #store(group: { file: ReceivedFile }[]) {
    const { blobs, images } = this.#deps
    const files = group.map(({ file }) => file)
    try {
      await images.expect(files)
      const put = await Promise.allSettled(files.map((file) => blobs.put(file.path, originalKey(file.sha256), { synced: true })))
      const failed = put.find((result) => result.status === 'rejected')
      if (failed) throw failed.reason
    } catch (error) {
      await this.#discard(group)
      await images.release(files).catch(() => undefined)
      throw error
    }
  }

  async #record(images: NewImage[], received: Received | undefined) {
    const { images: store, feed, queue } = this.#deps
    const start = this.#started ? {} : { start: this.#batch }
    // From here on there may be rows, whatever becomes of the call.
    this.#started = true
    let recorded
    try {
      recorded = await store.record({ ...start, images, ...(received && { received }) })
    } catch (error) {
      // The bytes are stored and have no row: released, they are collected unless someone else uses them.
      await store.release(images).catch(() => undefined)
      throw error
    }
    this.#recorded.push(...recorded)
    await feed.publish(recorded)
    await queue.add(toJobs(recorded.filter((image) => image.status === 'pending')))
  }

  async #discard(group: { file: ReceivedFile }[]) {
    await Promise.all(group.map(({ file }) => this.#deps.blobs.discard(file.path)))
  }

  /** Records the last group and acknowledges the whole. Resolves with all images. */
  async finish(receive: (recorded: Image[]) => Received): Promise<Image[]> {
    this.#flush(receive)
    await this.#tail
    if (this.#failure) throw this.#failure as Error
    return this.#recorded
  }

  /** Gives the upload up: waits for what is on its way, discards what is not. Tells whether there may be rows to abort. */
  async abandon(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#failure ??= new CalotypeError('malformed_multipart')
    await this.#tail
    await this.#discard(this.#group)
    return this.#started
  }
}
