// The lock of a batch: changes of where its files stand take its row first, so that one follows the other.
import { sql, type Transaction } from 'kysely'
import type { Owner } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { isOf } from '../query-parts.ts'

/** Locks the row until the end of the transaction, and says how the batch stands; undefined if there is no such batch of this owner. */
export async function holdBatch(trx: Transaction<Schema>, { now, canSkipLocked }: Database, id: string, owner: Owner) {
  const batch = await trx
    .selectFrom('batches')
    .select(['owner_id', 'declared', 'received_at', 'cancelled_at', sql<boolean | number | null>`expires_at <= ${now}`.as('is_over')])
    .where('id', '=', id)
    .where(isOf(owner, 'batches'))
    .$if(canSkipLocked, (query) => query.forUpdate())
    .executeTakeFirst()
  return (
    batch && {
      ownerId: batch.owner_id,
      isDeclared: batch.declared !== null,
      isReceived: batch.received_at !== null,
      isCancelled: batch.cancelled_at !== null,
      isOver: Boolean(batch.is_over),
    }
  )
}

export type HeldBatch = NonNullable<Awaited<ReturnType<typeof holdBatch>>>
