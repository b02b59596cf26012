// Examines the bytes that are left when the rows in use have been compared: those of released rows, and those that no row speaks of.
import { originalKey, sha256OfKey } from '../../rendition/keys.ts'
import { inWords, type Report } from './findings.ts'
import { isNewer, unknownAmong, type FindDeps, type UnknownOriginal } from '../originals/unknown-originals.ts'

interface Deps extends FindDeps {
  report: Report
}

// What has no name of ours, whoever put it there may want.
const hashesOf = (keys: string[]) => [...new Set(keys.flatMap((key) => sha256OfKey(key) ?? []))]

/** Reports originals that the database does not know; counts those that a person accepted: not newer than `acceptedAt`. */
export async function examineOriginalsLeft(
  deps: Deps,
  acceptedAt: number | null,
  keys: string[],
): Promise<{ unknown: UnknownOriginal[]; accepted: number }> {
  const all = await unknownAmong(deps, hashesOf(keys))
  const unknown = all.filter((original) => acceptedAt === null || isNewer(original, acceptedAt))
  for (const { sha256, size, modifiedAt } of unknown) {
    const about = originalKey(sha256)
    const what = `The database does not know an original of ${size} bytes, stored ${inWords(Date.now() - modifiedAt)} ago: ${about}`
    deps.report({ code: 'unknown_original', what, about, mended: false })
  }
  return { unknown, accepted: all.length - unknown.length }
}

/**
 * Reports developed images of originals that have no row: of no use, and no proof of another database, as a worker that slept past its
 * lease can leave one. Returns how many are younger than `graceMs`, which are not reported.
 */
export async function examineRenditionsLeft({ blobs, originals, report }: Deps, graceMs: number, keys: string[]): Promise<number> {
  const known = await originals.known(hashesOf(keys))
  let young = 0
  for (const key of keys) {
    const sha256 = sha256OfKey(key)
    const stat = sha256 === null || known.has(sha256) ? null : await blobs.stat(key)
    if (!stat) continue
    const ageMs = Date.now() - stat.modifiedAt
    if (ageMs < graceMs) young++
    else {
      const what = `A developed image of ${stat.size} bytes that no row speaks of has been there for ${inWords(ageMs)}: ${key}`
      report({ code: 'orphan', what, about: key, mended: false })
    }
  }
  return young
}
