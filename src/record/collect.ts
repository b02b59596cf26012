// Removes rows: an image, the images of an upload that was cut off, originals that nothing uses any more.
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Owner } from '../access.ts'
import type { Database, ImageRow, Schema } from '../db/schema.ts'
import type { Development, Image } from '../image.ts'
import { beingRemoved } from './record-uploads.ts'
import { isOf, slices, toImage } from './rows.ts'

const IMAGES_A_TRANSACTION = 1_000

type Gone = Pick<ImageRow, 'sha256' | 'batch_id' | 'batch_index'>

/**
 * These images went: originals that lost their last are released from now on, declared files go along with theirs, and so do batches
 * that lost their last and need no more (and those named besides).
 */
export async function release(trx: Transaction<Schema>, { now, canSkipLocked }: Database, gone: Gone[], emptied: string[] = []) {
  const distinct = (values: string[]) => [...new Set(values)].sort()
  const hashes = distinct(gone.map((row) => row.sha256))
  const batches = distinct([...emptied, ...gone.map((row) => row.batch_id)])
  await undeclare(trx, gone)
  for (const slice of slices(hashes)) {
    // Held before they are looked at: an upload that takes the bytes up just now has its image by then, and it is seen.
    if (canSkipLocked)
      await trx.selectFrom('originals').select('sha256').where('sha256', 'in', slice).orderBy('sha256').forUpdate().execute()
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

export function deleteImage(database: Database, id: string, owner: Owner): Promise<Image | null> {
  return database.write.transaction().execute(async (trx) => {
    const row = await trx.deleteFrom('images').where('id', '=', id).where(isOf(owner, 'images')).returningAll().executeTakeFirst()
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
      const rows =
        doomed.length === 0
          ? []
          : await trx
              .deleteFrom('images')
              .where(
                'id',
                'in',
                doomed.map((row) => row.id),
              )
              .returning(['sha256', 'batch_id', 'batch_index'])
              .execute()
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
 * Bytes that are here and wait to be collected are not, from now on: collected between their storing and their row, they would be lost.
 * Rejects with `overloaded` for those that are just being removed.
 */
export async function expectOriginals({ read, write, now, isRemote }: Database, groups: Bytes[][]): Promise<void[]> {
  const originals = groups.flat()
  // A database of this process alone has a store of its own, which a start after a crash checks: bytes without a row need none yet.
  const expected = isRemote ? originals : await waitingToGo(read, originals)
  for (const slice of slices(rowsOf(expected, sql<number>`${now} + ${EXPECTED_MS}`))) {
    await write
      .insertInto('originals')
      .values(slice)
      .onConflict((conflict) =>
        conflict
          .column('sha256')
          .doUpdateSet({ released_at: sql<number>`${now} + ${EXPECTED_MS}` })
          .where('originals.released_at', '<=', now)
          .where('originals.collecting_at', 'is', null),
      )
      .execute()
    const hashes = slice.map(({ sha256 }) => sha256)
    const going = write.selectFrom('originals').select('sha256').where('sha256', 'in', hashes).where('collecting_at', 'is not', null)
    if (await going.executeTakeFirst()) throw beingRemoved()
  }
  return groups.map(() => undefined)
}

/** Of these bytes, those that are here and that nobody uses. */
async function waitingToGo(read: Kysely<Schema>, originals: Bytes[]): Promise<Bytes[]> {
  const waiting: Bytes[] = []
  for (const slice of slices([...new Set(originals.map(({ sha256 }) => sha256))])) {
    const rows = read.selectFrom('originals').select(['sha256', 'size']).where('sha256', 'in', slice).where('released_at', 'is not', null)
    waiting.push(...(await rows.execute()))
  }
  return waiting
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

export async function collectableOriginals({ write, now }: Database, graceMs: number, limit: number) {
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
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('developments')
              .select('developments.sha256')
              .whereRef('developments.sha256', '=', 'originals.sha256')
              .where('developments.status', '=', 'processing'),
          ),
        ),
      )
      .returning('sha256')
      .execute()
    const hashes = marked.map((row) => row.sha256)
    if (hashes.length === 0) return []
    const developments = await trx.selectFrom('developments').select(['sha256', 'recipe', 'format']).where('sha256', 'in', hashes).execute()
    const bySha256 = Map.groupBy(developments, (development) => development.sha256)
    return hashes.map((sha256): { sha256: string; developments: Development[] } => ({ sha256, developments: bySha256.get(sha256) ?? [] }))
  })
}

/** Only what `collectableOriginals` marked. */
export function forgetOriginals(db: Kysely<Schema>, hashes: string[]): Promise<void> {
  return db.transaction().execute(async (trx) => {
    for (const slice of slices(hashes)) {
      await trx.deleteFrom('developments').where('sha256', 'in', slice).execute()
      await trx.deleteFrom('originals').where('sha256', 'in', slice).where('collecting_at', 'is not', null).execute()
    }
  })
}

export async function knownOriginals(db: Kysely<Schema>, hashes: string[]): Promise<Set<string>> {
  const known = new Set<string>()
  for (const slice of slices(hashes)) {
    const rows = await db.selectFrom('originals').select('sha256').where('sha256', 'in', slice).execute()
    for (const row of rows) known.add(row.sha256)
  }
  return known
}
