// Deletes what the database does not know: only what `calotype doctor --repair --delete-unknown` was told to, by a person who saw how much.
import { originalKey, sha256OfKey } from '../../rendition/keys.ts'
import type { OriginalStore } from '../../record/originals/original-store.ts'
import type { UnknownOriginals } from '../../record/originals/known-store.ts'
import type { RowSurvey } from '../../record/admin/row-survey.ts'
import type { BlobStat, BlobStore } from '../../store/blob-store.ts'
import { findUnknown, tally, type UnknownOriginal } from './unknown-originals.ts'

export interface DeleteUnknownDeps {
  blobs: BlobStore
  originals: Pick<OriginalStore, 'known' | 'forget'>
  survey: Pick<RowSurvey, 'markForDeletion'>
}

export interface Unknown {
  originals: UnknownOriginal[]
  /** Developed images of originals that have no row. */
  renditions: ({ key: string; sha256: string } & BlobStat)[]
}

const PAGE = 500

/** All of it, also what was accepted. */
export async function findAllUnknown({ blobs, originals }: Pick<DeleteUnknownDeps, 'blobs' | 'originals'>): Promise<Unknown> {
  const unknown: Unknown = { originals: [], renditions: [] }
  for await (const original of findUnknown({ blobs, originals }, null)) unknown.originals.push(original)
  let page: Unknown['renditions'] = []
  const check = async () => {
    const known = await originals.known([...new Set(page.map(({ sha256 }) => sha256))])
    unknown.renditions.push(...page.filter(({ sha256 }) => !known.has(sha256)))
    page = []
  }
  for await (const rendition of blobs.list('renditions/')) {
    const sha256 = sha256OfKey(rendition.key)
    if (sha256 === null) continue
    page.push({ ...rendition, sha256 })
    if (page.length === PAGE) await check()
  }
  await check()
  return unknown
}

/** Each gets a row that says so before its bytes go; what an image uses or expects by then stays. Returns what went of the originals. */
export async function deleteUnknown(
  { blobs, originals, survey }: DeleteUnknownDeps,
  { originals: unknown, renditions }: Unknown,
): Promise<UnknownOriginals> {
  const gone: UnknownOriginal[] = []
  const bySha256 = Map.groupBy(renditions, ({ sha256 }) => sha256)
  const withoutOriginal = [...bySha256.keys()].filter((sha256) => !unknown.some((original) => original.sha256 === sha256))
  const all = [...unknown, ...withoutOriginal.map((sha256) => ({ sha256, size: 0, modifiedAt: 0 }))]
  for (let at = 0; at < all.length; at += PAGE) {
    const page = all.slice(at, at + PAGE)
    const marked = new Set(await survey.markForDeletion(page.map(({ sha256, size }) => ({ sha256, size }))))
    await blobs.delete([...marked].flatMap((sha256) => [originalKey(sha256), ...(bySha256.get(sha256) ?? []).map(({ key }) => key)]))
    await originals.forget([...marked])
    gone.push(...unknown.slice(at, at + PAGE).filter(({ sha256 }) => marked.has(sha256)))
  }
  return tally(gone)
}
