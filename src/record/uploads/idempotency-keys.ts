// Idempotency keys: an upload that is sent again gets the answer of the first, and its files are not taken twice.
import { sql, type Transaction } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import type { Reservation } from './upload-store.ts'

export async function reserveKey({ write, now }: Database, key: string, batchId: string, leaseMs: number): Promise<Reservation> {
  const lease_until = sql<number>`${now} + ${leaseMs}`
  const { numInsertedOrUpdatedRows } = await write
    .insertInto('idempotency_keys')
    .values({ key, batch_id: batchId, created_at: now, lease_until })
    .onConflict((conflict) =>
      conflict
        .column('key')
        .doUpdateSet({ batch_id: batchId, created_at: now, lease_until })
        // The server that had it has ended before it was done.
        .where('idempotency_keys.fingerprint', 'is', null)
        .where('idempotency_keys.lease_until', '<', now),
    )
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows) return { state: 'reserved' }
  const row = await write.selectFrom('idempotency_keys').selectAll().where('key', '=', key).executeTakeFirst()
  // Given back between the two statements: the caller asks again.
  if (!row || row.fingerprint === null) return { state: 'arriving' }
  return { state: 'answered', batchId: row.batch_id, fingerprint: row.fingerprint, answer: row.answer }
}

export const givenUp = () => new CalotypeError('upload_timeout', 'The upload took so long that it was given up. Send it again.')

/** With what it is the answer to; in the transaction that makes it true. */
export async function keepAnswer(
  trx: Transaction<Schema>,
  batchId: string,
  { key, fingerprint, answer }: { key: string; fingerprint: string; answer: string | null },
): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('idempotency_keys')
    .set({ fingerprint, answer })
    .where('key', '=', key)
    .where('batch_id', '=', batchId)
    .executeTakeFirst()
  // A repeat has taken the key over: what is sent there must not be taken twice.
  if (!numUpdatedRows) throw givenUp()
}

export async function releaseKey({ write }: Database, key: string, batchId: string): Promise<void> {
  await write
    .deleteFrom('idempotency_keys')
    .where('key', '=', key)
    .where('batch_id', '=', batchId)
    .where('fingerprint', 'is', null)
    .execute()
}

export async function sweepKeys({ write, now }: Database, lifetimeMs: number, isOnlyServer: boolean): Promise<void> {
  await write
    .deleteFrom('idempotency_keys')
    .where('created_at', '<', sql<number>`${now} - ${lifetimeMs}`)
    .execute()
  if (isOnlyServer) await write.deleteFrom('idempotency_keys').where('fingerprint', 'is', null).execute()
}

/** Of a batch that is not acknowledged yet, and of its key. */
export async function renewLease({ write, now }: Database, batchId: string, leaseMs: number): Promise<void> {
  const lease_until = sql<number>`${now} + ${leaseMs}`
  await write.updateTable('batches').set({ lease_until }).where('id', '=', batchId).where('received_at', 'is', null).execute()
  await write
    .updateTable('idempotency_keys')
    .set({ lease_until })
    .where('batch_id', '=', batchId)
    .where('fingerprint', 'is', null)
    .execute()
}
