// The life of a development in rows: pending, claimed, finished; each step in bulk, with the images that share it.
import { sql, type Kysely, type UpdateQueryBuilder, type UpdateResult } from 'kysely'
import type { Database, ImageRow, Schema } from '../db/schema.ts'
import type { Development, Image } from '../image.ts'
import type { Finished, Lease } from './image-store.ts'
import { IMAGE_COLUMNS, toImage } from './rows.ts'

type ImagesUpdate = UpdateQueryBuilder<Schema, 'images', 'images', UpdateResult>

/** One transaction for all claims; each gets what it asked for, is still wanted and is not in other hands. */
export async function claimDevelopments(
  { write, transact, now, canSkipLocked }: Database,
  claims: { hashes: string[]; recipe: string; lease: Lease }[],
): Promise<{ developments: Development[]; images: Image[] }[]> {
  const results = await transact(
    claims.flatMap(({ hashes, recipe, lease }) => {
      const claimable = write
        .selectFrom('developments')
        .select('developments.sha256')
        .where('developments.sha256', 'in', hashes)
        .where('developments.recipe', '=', recipe)
        .where('developments.status', '=', 'pending')
        .where(({ not, exists, selectFrom }) => not(exists(selectFrom('pauses').select('pauses.id').where('pauses.until_at', '>', now))))
        // An image may have been deleted, or its upload cut off, while the hint waited.
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('images')
              .select('images.id')
              .whereRef('images.sha256', '=', 'developments.sha256')
              .whereRef('images.recipe', '=', 'developments.recipe')
              .where('images.status', '=', 'pending'),
          ),
        )
      return [
        write
          .updateTable('developments')
          .set(({ eb, ref }) => ({
            status: 'processing',
            lease_token: lease.token,
            lease_until: sql<number>`${now} + ${lease.ms}`,
            // What was finished begins anew.
            attempts: eb
              .case()
              .when(ref('finished_at'), 'is', null)
              .then(eb(ref('attempts'), '+', 1))
              .else(1)
              .end(),
            finished_at: null,
            started_at: now,
            worker: lease.worker,
          }))
          .where('sha256', 'in', canSkipLocked ? claimable.forUpdate().skipLocked() : claimable)
          .where('recipe', '=', recipe)
          .returning(['sha256', 'recipe', 'format']),
        write
          .updateTable('images')
          .set({ status: 'processing' })
          .where('sha256', 'in', hashes)
          .where('recipe', '=', recipe)
          .where('status', '=', 'pending')
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('developments')
                .select('developments.sha256')
                .whereRef('developments.sha256', '=', 'images.sha256')
                .whereRef('developments.recipe', '=', 'images.recipe')
                .where('developments.status', '=', 'processing')
                .where('developments.lease_token', '=', lease.token),
            ),
          )
          .returning(IMAGE_COLUMNS),
      ]
    }),
  )
  return claims.map((_, at) => ({
    developments: results[2 * at] as Development[],
    images: (results[2 * at + 1] as ImageRow[]).map((row) => toImage(row, null, null)),
  }))
}

export async function renewLease({ write, now }: Database, { token, ms }: Lease): Promise<void> {
  await write
    .updateTable('developments')
    .set({ lease_until: sql<number>`${now} + ${ms}` })
    .where('status', '=', 'processing')
    .where('lease_token', '=', token)
    .execute()
}

/** Claimed work that was not begun goes back; it does not count as an attempt. */
export async function giveBackDevelopments({ write, transact }: Database, hashes: string[], recipe: string, token: string) {
  const [, rows] = await transact([
    write
      .updateTable('developments')
      .set(({ eb, ref }) => ({ status: 'pending', lease_token: null, lease_until: null, attempts: eb(ref('attempts'), '-', 1) }))
      .where('sha256', 'in', hashes)
      .where('recipe', '=', recipe)
      .where('status', '=', 'processing')
      .where('lease_token', '=', token),
    waitAgain(write, (query) => query.where('images.sha256', 'in', hashes)),
  ])
  return rows.map((row) => toImage(row, null, null))
}

/** Images that show `processing` though their development is pending again. */
const waitAgain = (write: Kysely<Schema>, limit: (query: ImagesUpdate) => ImagesUpdate) =>
  limit(
    write
      .updateTable('images')
      .set({ status: 'pending' })
      .where('images.status', '=', 'processing')
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('developments')
            .select('developments.sha256')
            .whereRef('developments.sha256', '=', 'images.sha256')
            .whereRef('developments.recipe', '=', 'images.recipe')
            .where('developments.status', '=', 'pending'),
        ),
      ),
  ).returning(IMAGE_COLUMNS)

/** The outcomes as a table of values; the casts tell PostgreSQL the types, which it takes from the first row. */
function outcomeTable(results: Finished[]) {
  const rows = results.map((result) => {
    const rendition = 'rendition' in result ? result.rendition : null
    const failure = 'failure' in result ? result.failure : null
    return sql`(cast(${result.sha256} as text), cast(${result.recipe} as text), cast(${rendition ? 'completed' : 'error'} as text),
      cast(${rendition?.width ?? null} as integer), cast(${rendition?.height ?? null} as integer),
      cast(${rendition?.imageSize ?? null} as bigint), cast(${rendition?.thumbnailSize ?? null} as bigint),
      cast(${rendition?.thumbhash ?? null} as text), cast(${failure?.code ?? null} as text), cast(${failure?.error ?? null} as text), cast(${result.token} as text))`
  })
  return sql`(values ${sql.join(rows)}) as outcome`
}

/** One transaction for all outcomes; each gets the images it decided. A token that no longer holds the work decides nothing. */
export async function finishDevelopments({ write, transact, now }: Database, results: Finished[]): Promise<Image[][]> {
  const hashes = results.map((result) => result.sha256)
  const tokens = [...new Set(results.map((result) => result.token))]
  const finish = sql`
    update developments set status = outcome.column3, finished_at = ${now}, width = outcome.column4, height = outcome.column5,
      image_size = outcome.column6, thumbnail_size = outcome.column7, thumbhash = outcome.column8, code = outcome.column9,
      error = outcome.column10
    from ${outcomeTable(results)}
    where developments.sha256 = outcome.column1 and developments.recipe = outcome.column2 and developments.status = 'processing'
      and developments.lease_token = outcome.column11
  `
  const [, rows] = await transact([
    { compile: () => finish.compile(write) },
    write
      .updateTable('images')
      .from('developments')
      .set(({ ref }) => ({ status: ref('developments.status'), finished_at: now, code: ref('developments.code') }))
      .whereRef('developments.sha256', '=', 'images.sha256')
      .whereRef('developments.recipe', '=', 'images.recipe')
      .where('developments.status', 'in', ['completed', 'error'])
      .where('developments.lease_token', 'in', tokens)
      .where('images.sha256', 'in', hashes)
      // One that failed before, for a passing reason, is healed by a later upload of the same bytes.
      .where('images.status', 'in', ['pending', 'processing', 'error'])
      .where(({ or, eb, ref }) =>
        or([eb('images.status', '<>', ref('developments.status')), eb('images.code', '<>', ref('developments.code'))]),
      )
      .returning(IMAGE_COLUMNS),
  ])
  const changed = Map.groupBy(rows, (row) => `${row.sha256}-${row.recipe}`)
  return results.map((result) =>
    (changed.get(`${result.sha256}-${result.recipe}`) ?? []).map((row) =>
      toImage(row, 'rendition' in result ? result.rendition : null, 'failure' in result ? result.failure : null),
    ),
  )
}

// Whatever ends its worker ten times, without a word, would do so for ever.
const MAX_ATTEMPTS = 10

/** What a worker that ended had claimed is pending again; what ended too many has failed. */
export async function reclaimDevelopments({ write, transact, now }: Database, isOnlyServer: boolean): Promise<Image[]> {
  const lost = await write
    .selectFrom('developments')
    .select('sha256')
    .where('status', '=', 'processing')
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
    .limit(1)
    .execute()
  if (lost.length === 0) return []
  const expired = write
    .updateTable('developments')
    .where('status', '=', 'processing')
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
  const failure = { code: 'processing_crashed', error: 'The image ended every worker that took it, and was given up.' } as const
  const [, , failed, waiting] = await transact([
    expired.set({ status: 'error', finished_at: now, lease_token: null, ...failure }).where('attempts', '>=', MAX_ATTEMPTS),
    expired.set({ status: 'pending', lease_token: null, lease_until: null }),
    write
      .updateTable('images')
      .set({ status: 'error', finished_at: now, code: failure.code })
      .where('images.status', 'in', ['pending', 'processing'])
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('developments')
            .select('developments.sha256')
            .whereRef('developments.sha256', '=', 'images.sha256')
            .whereRef('developments.recipe', '=', 'images.recipe')
            .where('developments.status', '=', 'error'),
        ),
      )
      .returning(IMAGE_COLUMNS),
    waitAgain(write, (query) => query),
  ])
  return [...failed.map((row) => toImage(row, null, failure)), ...waiting.map((row) => toImage(row, null, null))]
}

/** A body was cut off: what its batch recorded is aborted, developed or not. */
export function abortBatch({ write, now }: Database, batchId: string): Promise<Image[]> {
  return write.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('batches')
      .set({ aborted_at: now, lease_until: null })
      .where('id', '=', batchId)
      .where('received_at', 'is', null)
      .executeTakeFirst()
    // Acknowledged after all, or never begun.
    if (!numUpdatedRows) return []
    const rows = await trx
      .updateTable('images')
      .set({ status: 'aborted', finished_at: now, code: null })
      .where('batch_id', '=', batchId)
      .returningAll()
      .execute()
    return rows.map((row) => toImage(row, null, null))
  })
}
