// Files of a declared batch, in any number of requests: what came whole stays, whatever becomes of the rest of its body.
import { newId } from '../new-id.ts'
import type { Owner } from '../access.ts'
import { CalotypeError, toCalotypeError } from '../errors.ts'
import type { Image } from '../image.ts'
import type { Arrival, Arrived } from '../record/batch-ledger.ts'
import type { Recipe } from '../rendition/presets.ts'
import type { Rejected } from '../record/image-store.ts'
import { FileGroups, type GroupFile } from './file-groups.ts'
import { releaseUnused } from './release-unused.ts'
import { announceInBatch, type IncomingFiles, type Upload, type UploadDeps } from './upload.ts'

/**
 * Resolves once every file that was taken is durable; without images, if none was. Can be repeated: a file that came before changes
 * nothing, and is answered with its image. Rejects with `no_file` if none came, and with the reason of a body that could not be read,
 * of which every whole file has been taken all the same.
 */
export async function uploadDeclared(deps: UploadDeps, batchId: string, files: IncomingFiles, owner: Owner): Promise<Upload> {
  const images = new Map<string, Image>()
  const rejected: { at: number; file: Rejected }[] = []

  async function recordGroup(group: GroupFile[]) {
    if (group.length === 0) return []
    const arrived = await deps.images.arrive(
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

  const groups = new FileGroups(deps, recordGroup, (recorded) => announceInBatch(deps, batchId, recorded))
  let seen = 0
  try {
    for await (const file of files) {
      seen++
      groups.add(file)
    }
  } catch (error) {
    await groups.finish().catch(() => undefined)
    throw toCalotypeError(error)
  }
  if (seen === 0) throw new CalotypeError('no_file')
  await groups.finish().catch((error: unknown) => {
    throw toCalotypeError(error)
  })
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
async function releaseRefused({ images }: UploadDeps, group: GroupFile[], arrived: Arrived[]) {
  const unused = group.flatMap((file, at) => (file.outcome === 'received' && 'failure' in arrived[at]! ? file : []))
  if (unused.length > 0) await releaseUnused(images, unused)
}
