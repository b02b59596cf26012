// Work in rows: claimed, held, given back; each step in bulk, with the images that share it. `finish-work.ts` ends it.
import { sql, type Kysely, type UpdateQueryBuilder, type UpdateResult } from 'kysely'
import type { Database, ImageRow, Schema } from '../../db/schema.ts'
import type { Format, Image } from '../../image.ts'
import { newId } from '../../new-id.ts'
import { IMAGE_COLUMNS, toImage } from '../images/image-rows.ts'
import type { Lease, Work } from './work-store.ts'

/** What a machine that lost its power forgot of this is done again, as the renditions are that it had not written yet (decision 22). */
export const DONE_AGAIN = { mayBeLost: true }

type ImagesUpdate = UpdateQueryBuilder<Schema, 'images', 'images', UpdateResult>

/** One transaction: what is asked for, still wanted and not in other hands. */
export async function claimWork(
  { write, transact, now, canSkipLocked }: Database,
  hashes: string[],
  lease: Lease,
): Promise<{ works: Work[]; images: Image[] }> {
  const token = newId()
  const claimable = write
    .selectFrom('originals')
    .select('originals.sha256')
    .where('originals.sha256', 'in', hashes)
    .where('originals.status', '=', 'pending')
    .where(({ not, exists, selectFrom }) => not(exists(selectFrom('pauses').select('pauses.id').where('pauses.until_at', '>', now))))
    // An image may have been deleted, or its upload cut off, while the hint waited.
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('images').select('images.id').whereRef('images.sha256', '=', 'originals.sha256').where('images.status', '=', 'pending'),
      ),
    )
  const [originals, renditions, images] = await transact(
    [
      write
        .updateTable('originals')
        .set(({ eb, ref }) => ({
          status: 'processing',
          lease_token: token,
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
        .returning(['sha256', 'format']),
      write
        .selectFrom('renditions')
        .innerJoin('originals', 'originals.sha256', 'renditions.sha256')
        .select(['renditions.sha256', 'renditions.operation'])
        .where('renditions.sha256', 'in', hashes)
        .where('renditions.status', '=', 'pending')
        .where('originals.lease_token', '=', token)
        .orderBy('renditions.operation'),
      write
        .updateTable('images')
        .set({ status: 'processing' })
        .where('sha256', 'in', hashes)
        .where('status', '=', 'pending')
        .where(({ exists, selectFrom }) =>
          exists(
            selectFrom('originals')
              .select('originals.sha256')
              .whereRef('originals.sha256', '=', 'images.sha256')
              .where('originals.lease_token', '=', token),
          ),
        )
        .returning(IMAGE_COLUMNS),
    ],
    DONE_AGAIN,
  )
  const operations = Map.groupBy(renditions, ({ sha256 }) => sha256)
  return {
    works: originals.map(({ sha256, format }) => ({
      sha256,
      format: format as Format,
      operations: (operations.get(sha256) ?? []).map(({ operation }) => operation),
      token,
    })),
    images: (images as ImageRow[]).map((row) => toImage(row, null, null)),
  }
}

export async function renewLease({ write, now }: Database, tokens: string[], { ms }: Lease): Promise<void> {
  await write
    .updateTable('originals')
    .set({ lease_until: sql<number>`${now} + ${ms}` })
    .where('status', '=', 'processing')
    .where('lease_token', 'in', tokens)
    .execute()
}

/** Claimed work that was not begun goes back; it does not count as an attempt. */
export async function giveBackWork({ write, transact }: Database, works: Pick<Work, 'sha256' | 'token'>[]): Promise<Image[]> {
  const hashes = works.map(({ sha256 }) => sha256)
  const [, rows] = await transact(
    [
      write
        .updateTable('originals')
        .set(({ eb, ref }) => ({ status: 'pending', lease_token: null, lease_until: null, attempts: eb(ref('attempts'), '-', 1) }))
        .where('sha256', 'in', hashes)
        .where('status', '=', 'processing')
        .where('lease_token', 'in', [...new Set(works.map(({ token }) => token))]),
      waitAgain(write, (query) => query.where('images.sha256', 'in', hashes)),
    ],
    DONE_AGAIN,
  )
  return rows.map((row) => toImage(row, null, null))
}

/** Images that show `processing` though their work is pending again. */
const waitAgain = (write: Kysely<Schema>, limit: (query: ImagesUpdate) => ImagesUpdate) =>
  limit(
    write
      .updateTable('images')
      .set({ status: 'pending' })
      .where('images.status', '=', 'processing')
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('originals')
            .select('originals.sha256')
            .whereRef('originals.sha256', '=', 'images.sha256')
            .where('originals.status', '=', 'pending'),
        ),
      ),
  ).returning(IMAGE_COLUMNS)

// Whatever ends its worker ten times, without a word, would do so for ever.
const MAX_ATTEMPTS = 10

/** What a worker that ended had claimed is pending again; what ended too many has failed. */
export async function reclaimWork({ write, transact, now }: Database, isOnlyServer: boolean): Promise<Image[]> {
  const lost = await write
    .selectFrom('originals')
    .select('sha256')
    .where('status', '=', 'processing')
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
    .limit(1)
    .execute()
  if (lost.length === 0) return []
  const expired = write
    .updateTable('originals')
    .where('status', '=', 'processing')
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
  const failure = { code: 'processing_crashed', error: 'The image ended every worker that took it, and was given up.' } as const
  const [, , failed, waiting] = await transact([
    expired
      .set({ status: 'failed', finished_at: now, lease_token: null, lease_until: null, ...failure })
      .where('attempts', '>=', MAX_ATTEMPTS),
    expired.set({ status: 'pending', lease_token: null, lease_until: null }),
    write
      .updateTable('images')
      .set({ status: 'error', finished_at: now, code: failure.code })
      .where('images.status', 'in', ['pending', 'processing'])
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('originals')
            .select('originals.sha256')
            .whereRef('originals.sha256', '=', 'images.sha256')
            .where('originals.status', '=', 'failed'),
        ),
      )
      .returning(IMAGE_COLUMNS),
    waitAgain(write, (query) => query),
  ])
  return [...failed.map((row) => toImage(row, null, failure)), ...waiting.map((row) => toImage(row, null, null))]
}
