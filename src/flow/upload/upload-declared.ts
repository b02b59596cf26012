// Files of a declared batch, in any number of requests: what came whole stays, whatever becomes of the rest of its body.
import { newId } from '../../new-id.ts'
import type { Owner } from '../../access.ts'
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { Image } from '../../image.ts'
import type { Arrival, Arrived, BatchStore } from '../../record/batches/batch-store.ts'
import type { Recipe } from '../../rendition/presets.ts'
import type { Rejected } from '../../record/uploads/rejected.ts'
import { announceInBatch, type AnnounceInBatchDeps } from '../announce.ts'
import { acceptedFiles, groupFiles, type FileGroup, type GroupFile, type IncomingFiles } from './group-files.ts'
import { releaseUnused } from './release-unused.ts'
import { discardFiles, storeOriginals, type StoreDeps } from './store-originals.ts'
import type { Upload } from './taken-upload.ts'

export interface UploadDeclaredDeps extends StoreDeps, AnnounceInBatchDeps {
  /** What the images are to become. */
  recipe: Recipe
  batches: Pick<BatchStore, 'receive' | 'isCancelled'>
}

/**
 * Resolves once every file that was taken is durable; without images, if none was. Can be repeated: a file that came before changes
 * nothing, and is answered with its image. Rejects with `no_file` if none came, and with the reason of a body that could not be read,
 * of which every whole file has been taken all the same.
 */
export async function uploadDeclared(deps: UploadDeclaredDeps, batchId: string, files: IncomingFiles, owner: Owner): Promise<Upload> {
  const images = new Map<string, Image>()
  const rejected: { at: number; file: Rejected }[] = []
  let seen = 0

  async function record(group: GroupFile[]): Promise<Image[]> {
    const arrived = await deps.batches.receive(
      batchId,
      group.map((file) => toArrival(file, deps.recipe)),
      owner,
    )
    const isNew: Image[] = []
    for (const [at, outcome] of arrived.entries()) {
      const { index, declaredIndex, name } = group[at]!
      if ('failure' in outcome) {
        rejected.push({ at: index, file: { name, ...outcome.failure, ...(declaredIndex !== null && { index: declaredIndex }) } })
        continue
      }
      if (outcome.isNew) isNew.push(outcome.image)
      images.set(outcome.image.id, outcome.image)
    }
    await releaseRefused(deps, group, arrived)
    return isNew
  }

  async function take({ files: group, failure }: FileGroup): Promise<void> {
    const whole = acceptedFiles(group)
    seen += group.length
    await storeOriginals(deps, whole)
    if (group.length > 0) {
      const isNew = await record(group).catch(async (error: unknown) => {
        await releaseUnused(deps.originals, whole)
        throw error
      })
      failpoint('upload-committed')
      await announceInBatch(deps, batchId, isNew)
      failpoint('upload-announced')
    }
    if (failure !== undefined) throw failure
  }

  try {
    for await (const group of groupFiles(files, (left) => discardFiles(deps, acceptedFiles(left)))) await take(group)
  } catch (error) {
    throw toCalotypeError(error)
  }
  if (seen === 0) throw new CalotypeError('no_file')
  return {
    batchId,
    images: [...images.values()].sort((a, b) => a.batchIndex - b.batchIndex),
    rejected: rejected.sort((a, b) => a.at - b.at).map(({ file }) => file),
  }
}

const toArrival = (file: GroupFile, recipe: Recipe): Arrival => {
  const { declaredIndex: index } = file
  if (file.outcome === 'refused') return { index, failure: { code: file.code, error: file.error } }
  const { format, size, sha256 } = file
  return { index, file: { id: newId(), format, size, sha256, recipe } }
}

/** Bytes that were stored and got no image: collected, unless someone else uses them. */
async function releaseRefused({ originals }: UploadDeclaredDeps, group: GroupFile[], arrived: Arrived[]) {
  const unused = group.flatMap((file, at) => (file.outcome === 'received' && 'failure' in arrived[at]! ? file : []))
  if (unused.length > 0) await releaseUnused(originals, unused)
}
