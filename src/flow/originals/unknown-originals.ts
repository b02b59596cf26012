// Finds originals in the store that the database does not know. Rows precede bytes: each was recorded in another database, or a later copy.
import { originalKey, sha256OfKey } from '../../rendition/keys.ts'
import type { OriginalStore } from '../../record/originals/original-store.ts'
import type { UnknownOriginals } from '../../record/originals/known-store.ts'
import type { BlobStat, BlobStore } from '../../store/blob-store.ts'

export interface UnknownOriginal extends BlobStat {
  sha256: string
}

export interface FindDeps {
  blobs: BlobStore
  originals: Pick<OriginalStore, 'known'>
}

const PAGE = 500

/** Whether bytes were stored after a row released them, so that the row's release is not about them. Both in milliseconds since 1970. */
export const isNewer = ({ modifiedAt }: BlobStat, releasedAt: number) => Math.round(modifiedAt) > releasedAt

/**
 * Of these, each that no row speaks of, or only one that released it before it was stored. Asks rows and store again about each of them:
 * it may have been deleted since it was listed.
 */
export async function unknownAmong({ blobs, originals }: FindDeps, hashes: string[]): Promise<UnknownOriginal[]> {
  const known = await originals.known(hashes)
  const unknown: UnknownOriginal[] = []
  for (const sha256 of hashes) {
    const releasedAt = known.get(sha256)
    if (releasedAt === null) continue
    const found = await blobs.stat(originalKey(sha256))
    if (found && (releasedAt === undefined || isNewer(found, releasedAt))) unknown.push({ sha256, ...found })
  }
  if (unknown.length === 0) return []
  const now = await originals.known(unknown.map(({ sha256 }) => sha256))
  return unknown.filter(({ sha256 }) => {
    const releasedAt = now.get(sha256)
    return releasedAt === known.get(sha256)
  })
}

/** All of them, but for those that were accepted: not newer than `acceptedAt`. `looked` hears how many originals were looked at so far. */
export async function* findUnknown(
  deps: FindDeps,
  acceptedAt: number | null,
  looked: (originals: number) => void = () => undefined,
): AsyncGenerator<UnknownOriginal> {
  let page: string[] = []
  let count = 0
  async function* check() {
    for (const unknown of await unknownAmong(deps, page)) if (acceptedAt === null || isNewer(unknown, acceptedAt)) yield unknown
    count += page.length
    page = []
    looked(count)
  }
  for await (const { key } of deps.blobs.list('originals/')) {
    const sha256 = sha256OfKey(key)
    // Not a name of ours: whoever put it there may want it.
    if (sha256 === null || key !== originalKey(sha256)) continue
    page.push(sha256)
    if (page.length >= PAGE) yield* check()
  }
  yield* check()
}

/** How many, how large, how old. */
export function tally(originals: BlobStat[]): UnknownOriginals {
  let [bytes, oldestAt, newestAt] = [0, Infinity, -Infinity]
  for (const { size, modifiedAt } of originals) {
    bytes += size
    oldestAt = Math.min(oldestAt, Math.round(modifiedAt))
    newestAt = Math.max(newestAt, Math.round(modifiedAt))
  }
  const none = originals.length === 0
  return { originals: originals.length, bytes, oldestAt: none ? null : oldestAt, newestAt: none ? null : newestAt }
}
