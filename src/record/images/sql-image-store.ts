// The image store on SQL.
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import { deleteImage, deleteImages } from './delete-images.ts'
import type { ImageStore } from './image-store.ts'
import { countImages, listImages } from './list-images.ts'
import { getImage, getImageInBatch, getImages } from './read-images.ts'
import { retryImage, retryImages } from './retry-images.ts'

export function createSqlImageStore(database: Database): ImageStore {
  const { read } = database
  return {
    get: (id, owner) => getImage(read, id, owner),
    getInBatch: (batchId, index, owner) => getImageInBatch(read, batchId, index, owner),
    getMany: (ids, owner) => getImages(read, ids, owner),
    list: (query, owner) => listImages(database, query, owner),
    count: (filter, owner) => countImages(database, filter, owner),
    retry: (id, owner) => retryConflicts(() => retryImage(database, id, owner)),
    retryMany: (ids, owner) => retryImages(database, ids, owner),
    delete: (id, owner) => retryConflicts(() => deleteImage(database, id, owner)),
    deleteMany: (ids, owner) => deleteImages(database, ids, owner),
  }
}
