// Makes images of originals that the database does not know: what `calotype doctor --adopt` does when a database was lost.
import { v7 as uuidv7 } from 'uuid'
import { newId } from '../../new-id.ts'
import { FORMATS } from '../../image.ts'
import type { Recipe } from '../../rendition/presets.ts'
import { originalKey } from '../../rendition/keys.ts'
import { formatOf, SIGNATURE_BYTES } from '../../receive/signature.ts'
import type { RenditionStore } from '../../record/renditions/rendition-store.ts'
import type { NewImage, UploadStore } from '../../record/uploads/upload-store.ts'
import { UPLOAD_LEASE_MS } from '../upload/upload-lease.ts'
import { hashOfBlob } from '../doctor/examine-original.ts'
import { findUnknown, type FindDeps, type UnknownOriginal } from './unknown-originals.ts'

export interface AdoptDeps extends FindDeps {
  renditions: Pick<RenditionStore, 'addRecipe'>
  uploads: Pick<UploadStore, 'record'>
  /** What they are to become. */
  recipe: Recipe
  onProgress(adopted: number): void
}

export interface Adopted {
  adopted: number
  /** Hashes of those that are left: their bytes have another SHA-256 than their name, or no format that is taken. */
  left: { sha256: string; why: 'damaged' | 'unsupported' }[]
}

// Of a batch: each is recorded whole, so that none is given up half-way, with what it holds.
const BATCH_IMAGES = 500

/**
 * Each becomes an image of `ownerId` (null: of nobody, on an open server), with the date of its file, named `adopted-<hash>`, that waits
 * to be developed. Reads all of them. Repeatable: what was adopted is known.
 */
export async function adoptOriginals(deps: AdoptDeps, ownerId: string | null): Promise<Adopted> {
  const result: Adopted = { adopted: 0, left: [] }
  await deps.renditions.addRecipe(deps.recipe)
  let page: NewImage[] = []
  let batchId = newId()
  const record = async () => {
    if (page.length === 0) return
    const start = { id: batchId, kind: 'batch', ownerId, leaseMs: UPLOAD_LEASE_MS } as const
    await deps.uploads.record({ start, images: page, acknowledgement: { batchId, rejected: [] } })
    result.adopted += page.length
    deps.onProgress(result.adopted)
    page = []
    batchId = newId()
  }
  for await (const unknown of findUnknown(deps, null)) {
    const image = await readImage(deps, unknown)
    if (typeof image === 'string') result.left.push({ sha256: unknown.sha256, why: image })
    else page.push({ ...image, batchId, ownerId, batchIndex: page.length })
    if (page.length === BATCH_IMAGES) await record()
  }
  await record()
  return result
}

async function readImage(
  { blobs, recipe }: Pick<AdoptDeps, 'blobs' | 'recipe'>,
  { sha256, size, modifiedAt }: UnknownOriginal,
): Promise<Omit<NewImage, 'batchId' | 'ownerId' | 'batchIndex'> | 'damaged' | 'unsupported'> {
  const key = originalKey(sha256)
  if ((await hashOfBlob(blobs, key)) !== sha256) return 'damaged'
  const first: Buffer[] = []
  for await (const chunk of await blobs.read(key, { start: 0, end: Math.min(SIGNATURE_BYTES, size) - 1 })) first.push(chunk as Buffer)
  const format = formatOf(Buffer.concat(first))
  if (!format) return 'unsupported'
  const uploadedAt = Math.round(modifiedAt)
  const name = `adopted-${sha256.slice(0, 12)}.${FORMATS[format].extension}`
  return { id: uuidv7({ msecs: uploadedAt }), name, format, size, sha256, recipe, uploadedAt }
}
