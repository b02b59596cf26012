// After a crash: developed images that the disk had not yet written when the power went are developed again from their originals.
import { type Development } from '../image.ts'
import { imageKey, thumbnailKey } from '../rendition/keys.ts'
import type { Recent, RowSurvey } from '../record/row-survey.ts'
import type { BlobStore } from '../store/blob-store.ts'
import { atOnce } from './at-once.ts'

/** Far longer than a system keeps what it was given to write: half a minute on Linux, ten in its laptop mode. */
const UNWRITTEN_MS = 60 * 60 * 1000
const PAGE = 500
const AT_ONCE = 8

/**
 * Looks at what was developed last before the end, and has what is not whole `pending` again. Only while nobody else works on rows or
 * bytes. Returns how many that were.
 */
export async function remakeLost({ blobs, survey }: { blobs: BlobStore; survey: RowSurvey }): Promise<number> {
  let remade = 0
  let after: Pick<Development, 'sha256' | 'recipe'> | null = null
  for (;;) {
    const page: Recent[] = await survey.recentlyCompleted(UNWRITTEN_MS, after, PAGE)
    const lost: Recent[] = []
    await atOnce(AT_ONCE, page, async (development) => {
      const [image, thumbnail] = await Promise.all([blobs.stat(imageKey(development)), blobs.stat(thumbnailKey(development))])
      // A file whose bytes were not written yet is empty, short, or not there.
      if (image?.size !== development.imageSize || thumbnail?.size !== development.thumbnailSize) lost.push(development)
    })
    if (lost.length > 0) await survey.redevelop(lost)
    remade += lost.length
    if (page.length < PAGE) return remade
    after = page.at(-1)!
  }
}
