// Changes of the survey: what is wrong in the rows is put right, and what was lost is made again or given up.
import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import type { Failure, Image } from '../../image.ts'
import { IMAGE_COLUMNS, toImage } from '../images/image-rows.ts'
import { lockOriginals } from '../originals/lock-originals.ts'
import { orderedSlices, slices } from '../query-parts.ts'
import { derivedStates, LOST, outputs } from '../renditions/image-states.ts'
import type { RenditionId } from './row-survey.ts'

/** Originals that images use. */
export const usedOriginals = (db: Kysely<Schema>) =>
  db
    .selectFrom('originals')
    .select(['sha256', 'size', 'status', 'code'])
    .where('released_at', 'is', null)
    .where('collecting_at', 'is', null)

/**
 * Images that no transaction leaves behind. What is pending again after it failed leaves its images in error until there is a new outcome,
 * and an upload may meet work that is in hand already.
 */
export const disagreeing = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin(derivedStates(db).as('derived'), 'derived.id', 'images.id')
    .whereRef('images.status', '<>', 'derived.status')
    .where('images.status', '<>', 'aborted')
    .where(({ not, and, eb }) => not(and([eb('images.status', '=', 'pending'), eb('derived.status', '=', 'processing')])))
    .where(({ not, and, eb }) => not(and([eb('images.status', '=', 'error'), eb('derived.status', 'in', ['pending', 'processing'])])))

export async function reconcileStatuses(trx: Transaction<Schema>, now: Database['now']): Promise<Image[]> {
  const rows = await disagreeing(trx).select(['images.id', 'derived.status', 'derived.code']).execute()
  const changed: Image[] = []
  for (const images of Map.groupBy(rows, (row) => `${row.status} ${row.code}`).values()) {
    const { status, code } = images[0]!
    for (const slice of slices(images.map(({ id }) => id))) {
      const updated = await trx
        .updateTable('images')
        .set({ status, finished_at: status === 'completed' || status === 'error' ? now : null, code: status === 'error' ? code : null })
        .where('id', 'in', slice)
        .returning(IMAGE_COLUMNS)
        .execute()
      changed.push(...updated.map((row) => toImage(row, null, null)))
    }
  }
  return changed
}

/** Their images wait again, but for those that wait already. */
async function waitAgain(trx: Transaction<Schema>, hashes: string[], from: ('completed' | 'error')[], shows: RawBuilder<boolean>) {
  const rows = await trx
    .updateTable('images')
    .set({ status: 'pending', finished_at: null, code: null })
    .where('sha256', 'in', hashes)
    .where('status', 'in', from)
    .where(shows)
    .returning(IMAGE_COLUMNS)
    .execute()
  return rows.map((row) => toImage(row, null, null))
}

const FRESH = { status: 'pending', finished_at: null, lease_token: null, lease_until: null, attempts: 0, code: null, error: null } as const

export async function remake(trx: Transaction<Schema>, database: Database, renditions: RenditionId[]): Promise<Image[]> {
  const changed: Image[] = []
  for (const slice of slices([...renditions].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)))) {
    await lockOriginals(
      trx,
      database,
      slice.map(({ sha256 }) => sha256),
    )
    const again = await trx
      .updateTable('renditions')
      .set({ status: 'pending', bytes: null })
      .where((eb) =>
        eb(
          eb.refTuple('sha256', 'operation'),
          'in',
          slice.map(({ sha256, operation }) => eb.tuple(sha256, operation)),
        ),
      )
      .where('status', '=', 'completed')
      .returning('sha256')
      .execute()
    const hashes = [...new Set(again.map(({ sha256 }) => sha256))]
    if (hashes.length === 0) continue
    await trx.updateTable('originals').set(FRESH).where('sha256', 'in', hashes).where('status', '=', 'idle').execute()
    changed.push(...(await waitAgain(trx, hashes, ['completed'], showsPending)))
  }
  return changed
}

/** Of its recipe, an output is pending. */
const showsPending = sql<boolean>`exists (select 1 ${outputs(sql`renditions.status = 'pending'`)})`

export async function takeBack(trx: Transaction<Schema>, database: Database, hashes: string[]): Promise<Image[]> {
  const changed: Image[] = []
  for (const slice of orderedSlices(hashes)) {
    await lockOriginals(trx, database, slice)
    const found = await trx
      .updateTable('originals')
      .set(FRESH)
      .where('sha256', 'in', slice)
      .where('status', '=', 'failed')
      .where('code', 'in', LOST)
      .returning('sha256')
      .execute()
    const back = found.map(({ sha256 }) => sha256)
    if (back.length === 0) continue
    // They are made anew from what came back.
    await trx.updateTable('renditions').set({ status: 'pending' }).where('sha256', 'in', back).execute()
    changed.push(...(await waitAgain(trx, back, ['completed', 'error'], sql<boolean>`true`)))
  }
  return changed
}

export async function giveUp(trx: Transaction<Schema>, database: Database, hashes: string[], failure: Failure): Promise<Image[]> {
  const { now } = database
  const changed: Image[] = []
  for (const slice of orderedSlices(hashes)) {
    await lockOriginals(trx, database, slice)
    const originals = await usedOriginals(trx).where('sha256', 'in', slice).execute()
    if (originals.length === 0) continue
    const lost = originals.map(({ sha256 }) => sha256)
    await trx
      .updateTable('originals')
      .set({ status: 'failed', finished_at: now, lease_token: null, lease_until: null, attempts: 0, ...failure })
      .where('sha256', 'in', lost)
      .execute()
    const rows = await trx
      .updateTable('images')
      .set({ status: 'error', finished_at: now, code: failure.code })
      .where('sha256', 'in', lost)
      .where('status', '<>', 'aborted')
      .returning(IMAGE_COLUMNS)
      .execute()
    changed.push(...rows.map((row) => toImage(row, null, failure)))
  }
  return changed
}

export async function markForDeletion(
  trx: Transaction<Schema>,
  now: Database['now'],
  originals: { sha256: string; size: number }[],
): Promise<string[]> {
  const marked: string[] = []
  for (const slice of slices([...originals].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)))) {
    const rows = await trx
      .insertInto('originals')
      .values(slice.map(({ sha256, size }) => ({ sha256, size, released_at: now, collecting_at: now })))
      .onConflict((conflict) =>
        conflict.column('sha256').doUpdateSet({ released_at: now, collecting_at: now }).where('originals.released_at', '<=', now),
      )
      .returning('sha256')
      .execute()
    marked.push(...rows.map(({ sha256 }) => sha256))
  }
  return marked
}
