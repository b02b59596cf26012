// Removes rows: an image, the images of an upload that was cut off, originals that nothing uses any more.
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Owner } from '../../access.ts'
import type { Database, ImageRow, Schema } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import type { Collectable } from '../images/image-store.ts'
import { beingRemoved } from '../uploads/record-uploads.ts'
import { isOf, slices, toImage } from '../images/image-rows.ts'

const IMAGES_A_TRANSACTION = 1_000

type Gone = Pick<ImageRow, 'sha256' | 'batch_id' | 'batch_index'>

/**
 * These images, whose originals are locked, went: originals that lost their last are released from now on, declared files go along with theirs, and so do batches
 * that lost their last and need no more (and those named besides).
 */
export async function release(trx: Transaction<Schema>, { now }: Database, gone: Gone[], emptied: string[] = []) {
  const distinct = (values: string[]) => [...new Set(values)].sort()
  const hashes = distinct(gone.map((row) => row.sha256))
  const batches = distinct([...emptied, ...gone.map((row) => row.batch_id)])
  await undeclare(trx, gone)
  for (const slice of slices(hashes)) {
    await trx
      .updateTable('originals')
      .set({ released_at: now })
      .where('sha256', 'in', slice)
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('images').select('images.id').whereRef('images.sha256', '=', 'originals.sha256'))),
      )
      .execute()
  }
  for (const slice of slices(batches)) {
    await trx
      .deleteFrom('batches')
      .where('id', 'in', slice)
      .where(({ eb, or }) => or([eb('received_at', 'is not', null), eb('aborted_at', 'is not', null)]))
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('images').select('images.id').whereRef('images.batch_id', '=', 'batches.id'))),
      )
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('declared_files')
              .select('declared_files.file_index')
              .whereRef('declared_files.batch_id', '=', 'batches.id')
              .where('declared_files.status', '=', 'needed'),
          ),
        ),
      )
      .execute()
  }
}

/** An image of a declared batch takes its declared file along. */
async function undeclare(trx: Transaction<Schema>, gone: Gone[]) {
  const byBatch = Map.groupBy(gone, (row) => row.batch_id)
  for (const slice of slices([...byBatch.keys()].sort())) {
    const declared = await trx.selectFrom('batches').select('id').where('id', 'in', slice).where('declared', 'is not', null).execute()
    for (const { id } of declared) {
      const indexes = byBatch.get(id)!.map((row) => row.batch_index)
      for (const part of slices(indexes)) {
        const files = trx.deleteFrom('declared_files').where('batch_id', '=', id).where('file_index', 'in', part)
        const { numDeletedRows } = await files.executeTakeFirst()
        await trx
          .updateTable('batches')
          .set(({ eb, ref }) => ({ declared: eb(ref('declared'), '-', Number(numDeletedRows)) }))
          .where('id', '=', id)
          .execute()
      }
    }
  }
}

/**
 * Until the end of the transaction nobody else changes these originals, their renditions and their images: who changes any of them locks
 * the originals first, in the order of their hashes, so that no two wait for each other. A database with one writer needs no lock.
 */
export async function lockOriginals(trx: Transaction<Schema>, { canSkipLocked }: Database, hashes: string[]): Promise<void> {
  if (!canSkipLocked) return
  for (const slice of slices([...new Set(hashes)].sort()))
    await trx.selectFrom('originals').select('sha256').where('sha256', 'in', slice).orderBy('sha256').forUpdate().execute()
}

/** Deletes images, and what was kept for them alone. An upload that takes their bytes up just now has its image by then, and it is seen. */
export async function removeImages(trx: Transaction<Schema>, database: Database, ids: string[], owner: Owner): Promise<ImageRow[]> {
  if (ids.length === 0) return []
  const found = trx.selectFrom('images').select('sha256').where('id', 'in', ids).where(isOf(owner, 'images'))
  await lockOriginals(
    trx,
    database,
    (await found.execute()).map(({ sha256 }) => sha256),
  )
  return trx.deleteFrom('images').where('id', 'in', ids).where(isOf(owner, 'images')).returningAll().execute()
}

export function deleteImage(database: Database, id: string, owner: Owner): Promise<Image | null> {
  return database.write.transaction().execute(async (trx) => {
    const [row] = await removeImages(trx, database, [id], owner)
    if (!row) return null
    await release(trx, database, [row])
    return toImage(row, null, null)
  })
}

export async function abandonedBatches({ read, now }: Database, isOnlyServer: boolean): Promise<string[]> {
  const rows = await read
    .selectFrom('batches')
    .select('id')
    .where('received_at', 'is', null)
    .where('aborted_at', 'is', null)
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
    .execute()
  return rows.map((row) => row.id)
}

export async function sweepAborted(database: Database): Promise<number> {
  let swept = 0
  for (;;) {
    const went = await database.write.transaction().execute(async (trx) => {
      const batches = await trx
        .selectFrom('batches')
        .select('id')
        .where('received_at', 'is', null)
        .where('aborted_at', 'is not', null)
        .limit(IMAGES_A_TRANSACTION)
        .execute()
      if (batches.length === 0) return null
      const ids = batches.map((batch) => batch.id)
      const doomed = await trx.selectFrom('images').select('id').where('batch_id', 'in', ids).limit(IMAGES_A_TRANSACTION).execute()
      const rows = await removeImages(
        trx,
        database,
        doomed.map((row) => row.id),
        null,
      )
      await release(trx, database, rows, ids)
      return rows.length
    })
    if (went === null) return swept
    swept += went
  }
}

// Far above what a file takes from its group to its row, on the slowest store.
const EXPECTED_MS = 60 * 60 * 1000

type Bytes = { sha256: string; size: number }

/**
 * Gives originals that have no row one, so that rows precede bytes: it is released after an hour, unless an image takes it up. Those that
 * wait to be collected stay. Returns for each group when that was, by the database's clock in milliseconds; no release that was decided
 * before then applies to bytes that are stored with that time. Rejects with `overloaded` for those that are just being removed.
 */
export async function expectOriginals({ write, transact, now }: Database, groups: Bytes[][]): Promise<number[]> {
  let expectedAt = 0
  for (const slice of slices(rowsOf(groups.flat(), sql<number>`${now} + ${EXPECTED_MS}`))) {
    const hashes = slice.map(({ sha256 }) => sha256)
    const [, [told]] = await transact([
      write
        .insertInto('originals')
        .values(slice)
        .onConflict((conflict) =>
          conflict
            .column('sha256')
            .doUpdateSet({ released_at: sql<number>`${now} + ${EXPECTED_MS}` })
            .where('originals.released_at', '<=', now)
            .where('originals.collecting_at', 'is', null),
        ),
      write
        .selectFrom('originals')
        .select([now.as('at'), sql<number>`count(collecting_at)`.as('collecting')])
        .where('sha256', 'in', hashes),
    ])
    if (!told || Number(told.collecting) > 0) throw beingRemoved()
    expectedAt = Math.max(expectedAt, Number(told.at))
  }
  return groups.map(() => expectedAt)
}

/** Originals that were expected and never came are released now. Only at the start of the only server, when nothing is on its way. */
export async function giveUpExpected({ write, now }: Database): Promise<void> {
  await write.updateTable('originals').set({ released_at: now }).where('released_at', '>', now).execute()
}

export async function releaseOriginals({ write, now }: Database, originals: Bytes[]): Promise<void> {
  for (const slice of slices(rowsOf(originals, now))) {
    await write
      .insertInto('originals')
      .values(slice)
      // Those that were expected; not those in use, nor those released before.
      .onConflict((conflict) => conflict.column('sha256').doUpdateSet({ released_at: now }).where('originals.released_at', '>', now))
      .execute()
  }
}

/** Sorted, so that two servers lock rows in the same order. */
const rowsOf = (originals: Bytes[], released_at: Database['now']) =>
  [...new Map(originals.map(({ sha256, size }) => [sha256, { sha256, size, released_at }])).values()].sort((a, b) =>
    a.sha256 < b.sha256 ? -1 : 1,
  )

export async function collectableOriginals({ write, now }: Database, graceMs: number, limit: number): Promise<Collectable[]> {
  const before = sql<number>`${now} - ${graceMs}`
  return write.transaction().execute(async (trx) => {
    const due = await trx.selectFrom('originals').select('sha256').where('released_at', '<=', before).limit(limit).execute()
    if (due.length === 0) return []
    const marked = await trx
      .updateTable('originals')
      .set({ collecting_at: now })
      .where(
        'sha256',
        'in',
        due.map((row) => row.sha256),
      )
      // Looked at again: an upload may have come between.
      .where('released_at', '<=', before)
      .where('status', '<>', 'processing')
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('known_store').select('known_store.id').where('known_store.halted_at', 'is not', null))),
      )
      .returning(['sha256', 'size', 'released_at'])
      .execute()
    const hashes = marked.map((row) => row.sha256)
    if (hashes.length === 0) return []
    const renditions = await trx.selectFrom('renditions').select(['sha256', 'operation']).where('sha256', 'in', hashes).execute()
    const bySha256 = Map.groupBy(renditions, ({ sha256 }) => sha256)
    return marked.map(({ sha256, size, released_at }) => ({
      sha256,
      size,
      releasedAt: released_at ?? 0,
      operations: (bySha256.get(sha256) ?? []).map(({ operation }) => operation),
    }))
  })
}

/** Takes back what `collectableOriginals` marked: the bytes stay. */
export async function keepOriginals(db: Kysely<Schema>, hashes: string[]): Promise<void> {
  for (const slice of slices(hashes)) await db.updateTable('originals').set({ collecting_at: null }).where('sha256', 'in', slice).execute()
}

/** Only what `collectableOriginals` marked. */
export function forgetOriginals(db: Kysely<Schema>, hashes: string[]): Promise<void> {
  return db.transaction().execute(async (trx) => {
    for (const slice of slices(hashes)) {
      await trx.deleteFrom('renditions').where('sha256', 'in', slice).execute()
      await trx.deleteFrom('originals').where('sha256', 'in', slice).where('collecting_at', 'is not', null).execute()
    }
  })
}

/** By their hash, when they were released; null while an image uses them. Those without a row are not in it. */
export async function knownOriginals(db: Kysely<Schema>, hashes: string[]): Promise<Map<string, number | null>> {
  const known = new Map<string, number | null>()
  for (const slice of slices(hashes)) {
    const rows = await db.selectFrom('originals').select(['sha256', 'released_at']).where('sha256', 'in', slice).execute()
    for (const row of rows) known.set(row.sha256, row.released_at)
  }
  return known
}
