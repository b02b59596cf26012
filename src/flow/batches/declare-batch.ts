// Declares a batch: what of it is needed, what is here already and what would be refused is told before a byte is sent.
import { createHash } from 'node:crypto'
import { newId } from '../../new-id.ts'
import type { Owner } from '../../access.ts'
import { CalotypeError, ERRORS } from '../../errors.ts'
import type { Failure } from '../../image.ts'
import { tooLarge } from '../../receive/too-large.ts'
import type { Declared } from '../../record/batches/batch-store.ts'
import { oncePerKey } from '../upload/once-per-key.ts'
import { announceInBatch, renewing, type UploadDeps } from '../upload/upload.ts'

export interface FileGiven {
  name: string
  /** Bytes. */
  size: number
  sha256: string | null
}

export interface DeclareOptions {
  files: FileGiven[]
  /** Whose it will be. */
  ownerId: string | null
  /** Whose images may be known to have the same bytes. */
  sees: Owner
  /** An Idempotency-Key. */
  key: string | undefined
  /** What is answered; word for word the same to a repeat under the same key. */
  answer: (declared: Declared) => string
  maxFileBytes: number
  batchTtlHours: number
}

/** Resolves once the declaration is durable, with the batch and the answer; rejects with `idempotency_conflict` for other content under the same key. */
export async function declareBatch(
  deps: UploadDeps,
  { files, ownerId, sees, key, answer, maxFileBytes, batchTtlHours }: DeclareOptions,
): Promise<{ batchId: string; answer: string }> {
  const batchId = newId()
  const fingerprint = async () => fingerprintOf(files)
  async function take() {
    const declared = await deps.images.declare({
      batchId,
      files: files.map((file) => ({ ...file, refusal: refusalOf(file.size, maxFileBytes) })),
      ttlMs: batchTtlHours * 60 * 60 * 1000,
      ownerId,
      sees,
      recipe: deps.recipe,
      ...(key !== undefined && { idempotency: { key, fingerprint: fingerprintOf(files), answer } }),
    })
    await announceInBatch(
      deps,
      batchId,
      declared.files.flatMap((file) => (file && 'image' in file ? file.image : [])),
    )
    return answer(declared)
  }
  if (key === undefined) return { batchId, answer: await take() }
  const repeated = await renewing(deps, batchId, () => oncePerKey(deps.images, { key, batchId, take, fingerprint }))
  if ('taken' in repeated) return { batchId, answer: repeated.taken }
  if (repeated.answer === null) throw new CalotypeError('idempotency_conflict')
  return { batchId: repeated.batchId, answer: repeated.answer }
}

function refusalOf(size: number, maxFileBytes: number): Failure | null {
  if (size === 0) return { code: 'empty_file', error: ERRORS.empty_file }
  return size > maxFileBytes ? tooLarge(maxFileBytes) : null
}

const fingerprintOf = (files: FileGiven[]) =>
  createHash('sha256')
    .update(JSON.stringify(['declared', files.map(({ name, size, sha256 }) => [name, size, sha256])]))
    .digest('hex')
