// Joins new images to their originals and renditions: rows that are there already are used, those that are missing are made.
import type { Transaction } from 'kysely'
import type { OriginalRow, RenditionRow, Schema } from '../../db/schema.ts'
import { codesThat } from '../../error-codes.ts'
import { operationsOf } from '../../rendition/presets.ts'
import { slices } from '../query-parts.ts'
import { LOST } from '../renditions/image-states.ts'
import type { NewImage } from '../uploads/upload-store.ts'
import { beingRemoved } from './expect-originals.ts'

const RETRIED_BY_UPLOAD = codesThat('isRetriedByUpload')

const distinctOriginals = (images: NewImage[]) =>
  // Sorted, so that two servers lock rows in the same order.
  [...new Map(images.map((image) => [image.sha256, image])).values()].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1))

/** An original that new images use, with those of its renditions that their recipes ask for. */
export interface JoinedOriginal {
  original: OriginalRow
  /** By operation. */
  renditions: Map<string, RenditionRow>
}

/**
 * Each original of these images has its row, is in use, and has work for every rendition that is not there yet; what failed for a reason
 * that may pass is tried again. Rejects with `overloaded` when the bytes of one are just being removed.
 */
export async function joinOriginals(trx: Transaction<Schema>, images: NewImage[]): Promise<Map<string, JoinedOriginal>> {
  const joined = new Map<string, JoinedOriginal>()
  for (const slice of slices(distinctOriginals(images))) {
    const used = await useOriginals(trx, slice)
    for (const original of used) joined.set(original.sha256, { original, renditions: new Map() })
    await makeLostAgain(trx, used)
  }
  const wanted = new Map(
    images.flatMap(({ sha256, format, recipe }) =>
      operationsOf(recipe, format).map((operation) => [`${sha256} ${operation}`, { sha256, operation }] as const),
    ),
  )
  for (const slice of slices([...wanted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rendition]) => rendition))) {
    for (const rendition of await joinRenditions(trx, slice)) joined.get(rendition.sha256)!.renditions.set(rendition.operation, rendition)
  }
  await wake(trx, joined)
  return joined
}

/**
 * What the bytes themselves caused would only happen again; a crash or a deadline deserves another try. The reason stays until there is a
 * new outcome: images that failed for it show it.
 */
async function useOriginals(trx: Transaction<Schema>, images: NewImage[]): Promise<OriginalRow[]> {
  const held = await trx
    .insertInto('originals')
    .values(images.map(({ sha256, size, format }) => ({ sha256, size, format, status: 'pending' as const, released_at: null })))
    .onConflict((conflict) =>
      conflict.column('sha256').doUpdateSet(({ eb, and, or, ref }) => ({
        released_at: null,
        format: ref('excluded.format'),
        status: eb
          .case()
          .when(
            or([
              // Expected, and never used before.
              and([eb(ref('originals.status'), '=', 'idle'), eb(ref('originals.format'), 'is', null)]),
              and([eb(ref('originals.status'), '=', 'failed'), eb(ref('originals.code'), 'in', RETRIED_BY_UPLOAD)]),
            ]),
          )
          .then('pending' as const)
          .else(ref('originals.status'))
          .end(),
      })),
    )
    .returningAll()
    .execute()
  if (held.some((original) => original.collecting_at !== null)) throw beingRemoved()
  return held
}

/** What was made of bytes that were lost is made again from those that came. */
async function makeLostAgain(trx: Transaction<Schema>, originals: OriginalRow[]) {
  const back = originals.filter(({ status, code }) => status === 'pending' && code !== null && LOST.includes(code))
  if (back.length === 0) return
  const hashes = back.map(({ sha256 }) => sha256)
  await trx.updateTable('renditions').set({ status: 'pending' }).where('sha256', 'in', hashes).execute()
}

function joinRenditions(trx: Transaction<Schema>, renditions: { sha256: string; operation: string }[]): Promise<RenditionRow[]> {
  return trx
    .insertInto('renditions')
    .values(renditions.map(({ sha256, operation }) => ({ sha256, operation, status: 'pending' as const })))
    .onConflict((conflict) =>
      conflict.columns(['sha256', 'operation']).doUpdateSet(({ eb, and, ref }) => ({
        status: eb
          .case()
          .when(and([eb(ref('renditions.status'), '=', 'error'), eb(ref('renditions.code'), 'in', RETRIED_BY_UPLOAD)]))
          .then('pending' as const)
          .else(ref('renditions.status'))
          .end(),
      })),
    )
    .returningAll()
    .execute()
}

const isPending = ({ status }: RenditionRow) => status === 'pending'

/** Originals that were done with, and have renditions to be made since. */
async function wake(trx: Transaction<Schema>, joined: Map<string, JoinedOriginal>) {
  const woken = [...joined.values()].filter(
    ({ original, renditions }) => original.status === 'idle' && [...renditions.values()].some(isPending),
  )
  for (const slice of slices(woken)) {
    const hashes = slice.map(({ original }) => original.sha256)
    await trx.updateTable('originals').set({ status: 'pending' }).where('sha256', 'in', hashes).where('status', '=', 'idle').execute()
    for (const { original } of slice) original.status = 'pending'
  }
}
