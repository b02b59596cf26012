// The contract of images in rows: read, listed, tried again, deleted. The rows are the truth; what resolves here is committed and synced.
import type { Owner } from '../../access.ts'
import type { Image } from '../../image.ts'
import type { ImageFilter } from './image-filter.ts'

export type Sort = 'newest' | 'oldest' | 'name' | 'size' | '-name' | '-size'

export interface ListQuery extends ImageFilter {
  sort: Sort
  /** Images on a page. */
  limit: number
  /** Opaque: `next` of the page before. */
  cursor?: string
}

export interface Page {
  /**
   * Fewer than asked for only at the end, where names are long, or in a search that has looked at so many names that it goes on in another
   * page; of that there may be none.
   */
  images: Image[]
  /** Null on the last page. */
  next: string | null
}

/** What is asked for an owner finds their images only, as if there were no others; for null, everyone's. */
export interface ImageStore {
  get(id: string, owner: Owner): Promise<Image | null>
  /** The image at this place of a batch. */
  getInBatch(batchId: string, index: number, owner: Owner): Promise<Image | null>
  /** Those of `ids` that are there, in this order. */
  getMany(ids: string[], owner: Owner): Promise<Image[]>
  /** Rejects with `bad_request` for a cursor that is not one of this list. */
  list(query: ListQuery, owner: Owner): Promise<Page>
  /** How many the list has with this filter. */
  count(filter: ImageFilter, owner: Owner): Promise<number>
  /**
   * Failed images of the same bytes are `pending` again, whoever has them: they share their renditions. Returns them, to be announced;
   * null if there is no such image. Rejects with `not_retryable` if the image did not fail, or if its original is damaged.
   */
  retry(id: string, owner: Owner): Promise<Image[] | null>
  /** As `retry`, of those of `ids` that failed; the others are passed over. Returns all that are `pending` again. */
  retryMany(ids: string[], owner: Owner): Promise<Image[]>
  /** Returns the image that was deleted, or null. Its bytes are released (`OriginalStore.collectable`). */
  delete(id: string, owner: Owner): Promise<Image | null>
  /** As `delete`, of those of `ids` that are there. Returns the images that were deleted. */
  deleteMany(ids: string[], owner: Owner): Promise<Image[]>
}
