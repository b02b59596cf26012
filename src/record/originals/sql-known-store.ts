// The known store in SQL: one row, which the statement that marks originals for deletion looks at (`collect-originals.ts`).
import { sql, type Transaction } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import type { KnownStoreTable } from '../../db/tables/store-tables.ts'
import type { KnownStore, StoreState } from './known-store.ts'

const THE_ONE = 1

export function createSqlKnownStore({ read, write, now, canSkipLocked }: Database): KnownStore {
  /** The row, made where it is missing, and locked until the transaction ends. */
  const locked = async (trx: Transaction<Schema>): Promise<KnownStoreTable> => {
    await trx
      .insertInto('known_store')
      .values({ id: THE_ONE })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    // A database with one writer needs no lock of the row, and has none.
    return trx
      .selectFrom('known_store')
      .selectAll()
      .$if(canSkipLocked, (query) => query.forUpdate())
      .executeTakeFirstOrThrow()
  }
  return {
    async read() {
      return toState(await read.selectFrom('known_store').selectAll().executeTakeFirst())
    },

    async isDue(ageMs) {
      const row = read
        .selectFrom('known_store')
        .select('id')
        .where('run_at', '<=', sql<number>`${now} - ${ageMs}`)
        .where('halted_at', 'is', null)
      return (await row.executeTakeFirst()) !== undefined
    },

    halt: (halt_reason, { originals, bytes, oldestAt, newestAt }) =>
      write.transaction().execute(async (trx) => {
        await locked(trx)
        await trx
          .updateTable('known_store')
          .set((eb) => ({
            halted_at: eb.fn.coalesce('halted_at', now),
            halt_reason,
            unknown_originals: originals,
            unknown_bytes: bytes,
            oldest_at: oldestAt,
            newest_at: newestAt,
          }))
          .execute()
      }),

    compare: (body) => write.transaction().execute(async (trx) => body((await locked(trx)).run_id)),

    adopt: (body, { acceptUnknown = false } = {}) =>
      write.transaction().execute(async (trx) => {
        await locked(trx)
        const none = { halted_at: null, halt_reason: null, unknown_originals: null, unknown_bytes: null, oldest_at: null, newest_at: null }
        await trx
          .updateTable('known_store')
          .set({ run_id: await body(), run_at: now, ...none, ...(acceptUnknown && { accepted_at: sql<number>`${now}` }) })
          .execute()
      }),
  }
}

function toState(row: KnownStoreTable | undefined): StoreState {
  if (!row) return { runId: null, acceptedAt: null, halt: null }
  const { run_id: runId, accepted_at: acceptedAt, halted_at: since, halt_reason: reason } = row
  if (since === null || reason === null) return { runId, acceptedAt, halt: null }
  const unknown = {
    originals: row.unknown_originals ?? 0,
    bytes: row.unknown_bytes ?? 0,
    oldestAt: row.oldest_at,
    newestAt: row.newest_at,
  }
  return { runId, acceptedAt, halt: { reason, since, unknown } }
}
