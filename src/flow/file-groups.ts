// Groups the files of one upload as they arrive, and stores, records, announces and queues each group before the next.
import { CalotypeError } from '../errors.ts'
import { failpoint } from '../failpoints.ts'
import { type Image } from '../image.ts'
import { originalKey } from '../rendition/keys.ts'
import type { ReceivedFile, RefusedFile } from '../receive/receive-files.ts'
import { releaseUnused } from './release-unused.ts'
import { announce, type UploadDeps } from './upload.ts'

// A transaction for so many files; a group that is not full goes when its first file has waited so long, so that development
// starts while a slow body still arrives.
const GROUP_FILES = 32
const GROUP_AGE_MS = 250

/** Makes rows of a group whose bytes are stored, and returns the images that are new. The last group may be empty. */
export type RecordGroup = (files: GroupFile[], isLast: boolean) => Promise<Image[]>

export type GroupFile = ReceivedFile | RefusedFile

export class FileGroups {
  readonly #deps: UploadDeps
  readonly #recordGroup: RecordGroup
  readonly #announceGroup: (recorded: Image[]) => Promise<void>
  #group: GroupFile[] = []
  #timer: NodeJS.Timeout | undefined
  #tail: Promise<void> = Promise.resolve()
  #failure: unknown = null

  constructor(deps: UploadDeps, recordGroup: RecordGroup, announceGroup = (recorded: Image[]) => announce(deps, recorded)) {
    this.#deps = deps
    this.#recordGroup = recordGroup
    this.#announceGroup = announceGroup
  }

  /** Takes a file over. Throws if a group before it failed. */
  add(file: GroupFile): void {
    this.#group.push(file)
    if (this.#failure) throw this.#failure as Error
    if (this.#group.length >= GROUP_FILES) this.#flush(false)
    else this.#timer ??= setTimeout(() => this.#flush(false), GROUP_AGE_MS)
  }

  #flush(isLast: boolean) {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const group = this.#group
    this.#group = []
    this.#tail = this.#tail
      .then(async () => {
        if (this.#failure) return await this.#discard(group)
        await this.#store(group)
        await this.#record(group, isLast)
      })
      .catch((error: unknown) => {
        this.#failure ??= error
      })
  }

  async #store(group: GroupFile[]) {
    const { blobs, images } = this.#deps
    const files = received(group)
    if (files.length === 0) return
    try {
      const storedAt = await images.expect(files)
      failpoint('originals-expected')
      const put = await Promise.allSettled(files.map((file) => blobs.put(file.path, originalKey(file.sha256), { synced: true, storedAt })))
      const failed = put.find((result) => result.status === 'rejected')
      if (failed) throw failed.reason
      failpoint('originals-stored')
    } catch (error) {
      await this.#discard(group)
      await releaseUnused(images, files)
      throw error
    }
  }

  async #record(group: GroupFile[], isLast: boolean) {
    let recorded
    try {
      recorded = await this.#recordGroup(group, isLast)
    } catch (error) {
      // The bytes are stored and have no row: released, they are collected unless someone else uses them.
      await releaseUnused(this.#deps.images, received(group))
      throw error
    }
    failpoint('upload-committed')
    await this.#announceGroup(recorded)
    failpoint('upload-announced')
  }

  async #discard(group: GroupFile[]) {
    await Promise.all(received(group).map((file) => this.#deps.blobs.discard(file.path)))
  }

  /** Records the last group. Resolves when all are recorded and announced. */
  async finish(): Promise<void> {
    this.#flush(true)
    await this.#tail
    if (this.#failure) throw this.#failure as Error
  }

  /** Gives the upload up: waits for what is on its way, discards what is not. */
  async abandon(): Promise<void> {
    clearTimeout(this.#timer)
    this.#failure ??= new CalotypeError('malformed_multipart')
    await this.#tail
    await this.#discard(this.#group)
  }
}

const received = (group: GroupFile[]) => group.filter((file) => file.outcome === 'received')
