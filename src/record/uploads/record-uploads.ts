// Records what was received: many uploads that wait at the same time become one transaction with one statement a table.
import { sql, type Transaction } from 'kysely'
import type { Quota } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { failpoint } from '../../failpoints.ts'
import type { Image } from '../../image.ts'
import { insertImages } from '../images/insert-images.ts'
import { joinOriginals } from '../originals/join-originals.ts'
import { givenUp, keepAnswer } from './idempotency-keys.ts'
import type { Rejected } from './rejected.ts'
import type { Acknowledgement, Entry, NewBatch } from './upload-store.ts'

type Now = Database['now']

const rejectedColumns = (rejected: Rejected[]) => ({ rejected: JSON.stringify(rejected), rejected_files: rejected.length })

/** A batch that is whole at once, as a single file is, is acknowledged as it is inserted: its row is written once. */
async function startBatches(trx: Transaction<Schema>, now: Now, starting: (Entry & { start: NewBatch })[]) {
  if (starting.length === 0) return
  await trx
    .insertInto('batches')
    .values(
      starting.map(({ start: { id, kind, ownerId, leaseMs }, acknowledgement }) => ({
        id,
        kind,
        owner_id: ownerId,
        created_at: now,
        received_at: acknowledgement ? now : null,
        ...rejectedColumns(acknowledgement?.rejected ?? []),
        lease_until: acknowledgement ? null : sql<number>`${now} + ${leaseMs}`,
      })),
    )
    .execute()
}

/** A batch that was started by another transaction. */
async function acknowledge(trx: Transaction<Schema>, now: Now, { batchId, rejected }: Acknowledgement) {
  const { numUpdatedRows } = await trx
    .updateTable('batches')
    .set({ received_at: now, ...rejectedColumns(rejected), lease_until: null })
    .where('id', '=', batchId)
    .where('aborted_at', 'is', null)
    .executeTakeFirst()
  if (!numUpdatedRows) throw givenUp()
}

const isStarting = (entry: Entry): entry is Entry & { start: NewBatch } => entry.start !== undefined

/** One transaction for all entries; each gets its own images back, in its order. */
export function recordUploads({ write, now }: Pick<Database, 'write' | 'now'>, entries: Entry[], quota: Quota): Promise<Image[][]> {
  return write.transaction().execute(async (trx) => {
    await startBatches(trx, now, entries.filter(isStarting))
    const images = entries.flatMap((entry) => entry.images)
    let recorded: Image[] = []
    if (images.length > 0) {
      recorded = await insertImages(trx, now, images, await joinOriginals(trx, images), quota)
    }
    const results: Image[][] = []
    let at = 0
    for (const { start, images, acknowledgement } of entries) {
      const own = recorded.slice(at, (at += images.length))
      if (acknowledgement && !start) await acknowledge(trx, now, acknowledgement)
      const { idempotency, batchId } = acknowledgement ?? {}
      if (idempotency) await keepAnswer(trx, batchId!, { ...idempotency, answer: idempotency.answer?.(own) ?? null })
      results.push(own)
    }
    failpoint('upload-uncommitted')
    return results
  })
}
