// From a batch and its files to the wire.
import type { ApiBatch, ApiBatchFile, ApiDeclared } from '../../api/batches.ts'
import type { Batch, BatchFile, Declared } from '../../record/batches/batch-store.ts'
import { toApiImage } from './images.ts'
import { iso, isoOrNull } from './iso.ts'

export const toApiBatch = ({ id, kind, createdAt, receivedAt, finishedAt, expiresAt, declared, counts }: Batch): ApiBatch => ({
  id,
  kind,
  created_at: iso(createdAt),
  received_at: isoOrNull(receivedAt),
  finished_at: isoOrNull(finishedAt),
  expires_at: isoOrNull(expiresAt),
  declared,
  ...counts,
})

export const toApiBatchFile = ({ index, name, size, status, image, failure }: BatchFile): ApiBatchFile => ({
  index,
  name,
  size,
  status,
  image: image && toApiImage(image),
  code: failure?.code ?? null,
  error: failure?.error ?? null,
})

/** Of up to 20,000 files. */
export const toApiDeclared = ({ batchId, expiresAt, files }: Declared): ApiDeclared => ({
  id: batchId,
  declared: files.length,
  expires_at: iso(expiresAt),
  files: files.map((file) => {
    if (file === null) return { state: 'needed' }
    return 'image' in file ? { state: 'known', image: file.image.id } : { state: 'rejected', ...file.failure }
  }),
})
