// Reads the originals of many images, one after the other: what an archive is made of.
import type { Readable } from 'node:stream'
import type { Owner } from '../../access.ts'
import { CalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import type { ImageFilter } from '../../record/images/image-filter.ts'
import type { ImageStore, Sort } from '../../record/images/image-store.ts'
import { readOriginal, type ReadOriginalDeps } from './read-original.ts'

/** These images in this order, or all that the list has with this filter. */
export type Selection = { ids: string[] } | ({ sort: Sort } & ImageFilter)

export interface Original {
  image: Image
  /** Its bytes. Read them before the next one is asked for. */
  body: Readable
}

export interface ReadOriginalsDeps extends ReadOriginalDeps {
  images: Pick<ImageStore, 'list' | 'get' | 'getMany'>
}

const PAGE = 200
// While one is read the next is opened, so that a store far away is waited for only once.
const OPENED_AHEAD = 1

/**
 * Images that are not there, were deleted meanwhile, or whose upload came to nothing are passed over; one whose bytes are missing or
 * damaged is an error, never left out. Whatever is open is closed when it ends or is ended.
 */
export async function* readOriginals(deps: ReadOriginalsDeps, selection: Selection, owner: Owner): AsyncGenerator<Original, void> {
  const opened: Promise<Original | null>[] = []
  async function* handOutFirst() {
    const original = await opened[0]
    if (original) yield original
    void opened.shift()
  }
  try {
    for await (const image of selectedImages(deps, selection, owner)) {
      const opening = open(deps, image)
      // Heard of when it is its turn.
      opening.catch(() => undefined)
      opened.push(opening)
      if (opened.length > OPENED_AHEAD) yield* handOutFirst()
    }
    while (opened.length > 0) yield* handOutFirst()
  } finally {
    for (const opening of opened) void opening.then((original) => original?.body.destroy()).catch(() => undefined)
  }
}

async function* selectedImages({ images }: ReadOriginalsDeps, selection: Selection, owner: Owner): AsyncGenerator<Image> {
  for await (const page of 'ids' in selection ? pagesOfIds(images, selection.ids, owner) : pagesOfList(images, selection, owner)) {
    for (const image of page) if (image.status !== 'aborted') yield image
  }
}

async function* pagesOfIds(images: ReadOriginalsDeps['images'], ids: string[], owner: Owner): AsyncGenerator<Image[]> {
  const distinct = [...new Set(ids)]
  for (let at = 0; at < distinct.length; at += PAGE) yield await images.getMany(distinct.slice(at, at + PAGE), owner)
}

async function* pagesOfList(
  images: ReadOriginalsDeps['images'],
  query: { sort: Sort } & ImageFilter,
  owner: Owner,
): AsyncGenerator<Image[]> {
  let cursor: string | null = null
  do {
    const page = await images.list({ ...query, limit: PAGE, ...(cursor !== null && { cursor }) }, owner)
    yield page.images
    cursor = page.next
  } while (cursor !== null)
}

/** Null if the image was deleted since it was looked up. */
async function open(deps: ReadOriginalsDeps, image: Image): Promise<Original | null> {
  try {
    const body = await readOriginal(deps, image)
    // One that breaks before its turn must not end the server; who reads it then hears of it.
    body.on('error', () => undefined)
    return { image, body }
  } catch (error) {
    const code = error instanceof CalotypeError ? error.code : null
    if (code === 'not_found') return null
    if (code !== 'original_missing' && code !== 'original_damaged') throw error
    const what = code === 'original_missing' ? 'is missing from the store' : 'is no longer what was uploaded'
    const sentence = `The original of "${image.name}" (${image.id}) ${what}. Leave it out, or upload the file again.`
    throw new CalotypeError(code, sentence)
  }
}
