// The journey's first half: received files are stored and recorded group by group, queued at once, acknowledged at the end.
import { newId } from '../new-id.ts'
import { toCalotypeError, CalotypeError } from '../errors.ts'
import type { Image } from '../image.ts'
import type { ReceivedFile } from '../receive/receive-files.ts'
import type { BatchKind } from '../record/batch-ledger.ts'
import type { NewImage, Received } from '../record/image-store.ts'
import { abortUpload } from './abort-upload.ts'
import { FileGroups, type GroupFile } from './file-groups.ts'
import { fingerprintOf, noneTaken, renew, UPLOAD_LEASE_MS, type IncomingFiles, type Upload, type UploadDeps } from './upload.ts'

export interface UploadOptions {
  batchId: string
  kind: BatchKind
  /** Whose images they will be. */
  ownerId: string | null
  files: IncomingFiles
  /** Whether other uploads are arriving at the moment. */
  hasCompany: () => boolean
  /** A key reserved for this batch; `answer` is kept for repeats, null if the outcome of the image is the answer. */
  idempotency?: { key: string; answer: ((upload: Upload) => string) | null }
}

// Who arrives with others shares a transaction with those of so long, which nobody notices where sixteen take a quarter of a second each.
// One who arrives alone waits for nothing.
const TOGETHER_MS = 50

/**
 * Takes an upload in. Resolves once every file that was taken is durable, bytes and row: that is the acknowledgement. Rejects with
 * the reason of the first refused file and the list of all if none was taken, with `no_file` if none came, and with the reason of a body that could not
 * be read: what was recorded of it is aborted and swept.
 */
export async function uploadImages(
  deps: UploadDeps,
  { batchId, kind, ownerId, files, hasCompany, idempotency }: UploadOptions,
): Promise<Upload> {
  const seen: GroupFile[] = []
  const images: Image[] = []
  let started = false
  let renewal: ReturnType<typeof renew> | undefined

  const rejected = () =>
    seen
      .filter((file) => file.outcome === 'refused')
      .sort((a, b) => a.index - b.index)
      .map(({ name, code, error, index }) => ({ name, code, error, index }))
  const upload = (all: Image[]): Upload => ({ batchId, images: all.toSorted((a, b) => a.batchIndex - b.batchIndex), rejected: rejected() })
  const received = (): Received => ({
    batchId,
    rejected: rejected(),
    ...(idempotency && {
      idempotency: {
        key: idempotency.key,
        fingerprint: fingerprintOf(kind, seen),
        answer: idempotency.answer && ((last) => idempotency.answer!(upload([...images, ...last]))),
      },
    }),
  })

  async function recordGroup(group: GroupFile[], isLast: boolean) {
    const start = started ? {} : { start: { id: batchId, kind, ownerId, leaseMs: UPLOAD_LEASE_MS } }
    // From here on there may be rows, whatever becomes of the call.
    started = true
    // What is whole at once is never waited for; and who has a key renews both.
    if (!isLast && !idempotency) renewal ??= renew(deps, batchId)
    const entry = {
      ...start,
      images: group.flatMap((file) => (file.outcome === 'received' ? toNewImage(deps, batchId, ownerId, file) : [])),
      ...(isLast && { received: received() }),
    }
    const recorded = await deps.images.record(entry, hasCompany() ? TOGETHER_MS : 0)
    images.push(...recorded)
    return recorded
  }

  const groups = new FileGroups(deps, recordGroup)
  try {
    for await (const file of files) {
      seen.push(file)
      if (file.outcome === 'received') groups.add(file)
    }
    const refused = rejected()
    if (refused.length === seen.length) throw refused[0] ? noneTaken(refused[0], refused) : new CalotypeError('no_file')
    await groups.finish()
    return upload(images)
  } catch (error) {
    await groups.abandon()
    if (started) await abortUpload(deps, batchId)
    throw toCalotypeError(error)
  } finally {
    renewal?.end()
  }
}

function toNewImage({ recipe }: UploadDeps, batchId: string, ownerId: string | null, file: ReceivedFile): NewImage {
  const { index, name, format, size, sha256 } = file
  return { id: newId(), batchId, ownerId, batchIndex: index, name, format, size, sha256, recipe }
}
