// After a crash: developed images that the disk had not yet written when the power went are developed again from their originals.
import { renditionKey } from '../../rendition/keys.ts'
import type { Recent, RenditionId, RowSurvey } from '../../record/admin/row-survey.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'

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
  let after: RenditionId | null = null
  for (;;) {
    const page: Recent[] = await survey.recentlyCompleted(UNWRITTEN_MS, after, PAGE)
    const lost: Recent[] = []
    await forEachConcurrent(AT_ONCE, page, async (rendition) => {
      const found = await blobs.stat(renditionKey(rendition.sha256, rendition.operation))
      // A file whose bytes were not written yet is empty, short, or not there.
      if (found?.size !== rendition.size) lost.push(rendition)
    })
    if (lost.length > 0) await survey.remake(lost)
    remade += lost.length
    if (page.length < PAGE) return remade
    after = page.at(-1)!
  }
}
