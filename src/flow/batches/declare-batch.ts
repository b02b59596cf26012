// Declares a batch: what of it is needed, what is here already and what would be refused is told before a byte is sent.
import { newId } from '../../new-id.ts'
import type { Owner } from '../../access.ts'
import { ERRORS } from '../../error-codes.ts'
import { CalotypeError } from '../../errors.ts'
import type { Failure } from '../../image.ts'
import { tooLarge } from '../../receive/too-large.ts'
import type { BatchStore, Declared } from '../../record/batches/batch-store.ts'
import type { Recipe } from '../../rendition/presets.ts'
import { announceInBatch, type AnnounceInBatchDeps } from '../announce.ts'
import { fingerprintOfDeclaration } from '../idempotency/fingerprint.ts'
import { oncePerKey, type KeyDeps } from '../idempotency/once-per-key.ts'
import { renewing, type LeaseDeps } from '../upload/upload-lease.ts'

export interface DeclareBatchDeps extends AnnounceInBatchDeps {
  /** What images of bytes that are here are to become. */
  recipe: Recipe
  batches: Pick<BatchStore, 'declare' | 'isCancelled'>
  uploads: KeyDeps['uploads'] & LeaseDeps['uploads']
}

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
  deps: DeclareBatchDeps,
  { files, ownerId, sees, key, answer, maxFileBytes, batchTtlHours }: DeclareOptions,
): Promise<{ batchId: string; answer: string }> {
  const batchId = newId()
  const fingerprint = async () => fingerprintOfDeclaration(files)
  async function take() {
    const declared = await deps.batches.declare({
      batchId,
      files: files.map((file) => ({ ...file, refusal: refusalOf(file.size, maxFileBytes) })),
      ttlMs: batchTtlHours * 60 * 60 * 1000,
      ownerId,
      sees,
      recipe: deps.recipe,
      ...(key !== undefined && { idempotency: { key, fingerprint: fingerprintOfDeclaration(files), answer } }),
    })
    await announceInBatch(
      deps,
      batchId,
      declared.files.flatMap((file) => (file && 'image' in file ? file.image : [])),
    )
    return answer(declared)
  }
  if (key === undefined) return { batchId, answer: await take() }
  const repeated = await renewing(deps, batchId, () => oncePerKey(deps, { key, batchId, take, fingerprint }))
  if ('taken' in repeated) return { batchId, answer: repeated.taken }
  if (repeated.answer === null) throw new CalotypeError('idempotency_conflict')
  return { batchId: repeated.batchId, answer: repeated.answer }
}

function refusalOf(size: number, maxFileBytes: number): Failure | null {
  if (size === 0) return { code: 'empty_file', error: ERRORS.empty_file }
  return size > maxFileBytes ? tooLarge(maxFileBytes) : null
}
