// The registry of workers in SQL: a row for each process; what it has in hand is read from the work itself.
import { sql } from 'kysely'
import type { Database } from '../../db/schema.ts'
import { decodeName } from '../query-parts.ts'
import type { Worker, WorkerRegistry } from './worker-registry.ts'

// Three times what lies between two reports.
const ALIVE_MS = 15_000
const MOST_LISTED = 1_000
const MOST_IN_HAND = 1_000

export function createSqlWorkerRegistry({ read, write, now }: Database): WorkerRegistry {
  const isAlive = sql<boolean>`seen_at > ${now} - ${ALIVE_MS}`

  /** By the process that has it. */
  async function inHand(): Promise<Map<string | null, Worker['inHand']>> {
    const rows = await read
      .selectFrom('originals')
      .select(['worker', 'started_at'])
      // One of the images that share it.
      .select(({ selectFrom }) =>
        selectFrom('images')
          .select(({ fn }) => fn.min('images.id').as('id'))
          .whereRef('images.sha256', '=', 'originals.sha256')
          .where('images.status', '=', 'processing')
          .as('id'),
      )
      .where('status', '=', 'processing')
      .limit(MOST_IN_HAND)
      .execute()
    const ids = rows.flatMap(({ id }) => id ?? [])
    if (ids.length === 0) return new Map()
    const named = await read.selectFrom('images').select(['id', 'name']).where('id', 'in', ids).execute()
    const names = new Map(named.map(({ id, name }) => [id, decodeName(name)]))
    const held = rows
      .flatMap(({ id, worker, started_at: startedAt }) => {
        const name = id === null ? undefined : names.get(id)
        return id === null || name === undefined ? [] : { worker, id, name, startedAt: startedAt ?? 0 }
      })
      .sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1))
    return new Map(
      [...Map.groupBy(held, ({ worker }) => worker)].map(([worker, all]) => [
        worker,
        all.map(({ id, name, startedAt }) => ({ id, name, startedAt })),
      ]),
    )
  }

  return {
    async report({ isFirst, ...worker }) {
      await write
        .insertInto('workers')
        .values({ ...worker, started_at: now, seen_at: now })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ ...worker, seen_at: now, ...(isFirst && { started_at: now }) }))
        .execute()
    },

    async list() {
      const rows = await read
        .selectFrom('workers')
        .selectAll()
        .select(isAlive.as('alive'))
        .orderBy('seen_at', 'desc')
        .limit(MOST_LISTED)
        .execute()
      const held = await inHand()
      return rows
        .map(({ started_at: startedAt, seen_at: seenAt, alive, ...worker }) => {
          // SQLite has no booleans.
          return { ...worker, startedAt, seenAt, isAlive: Boolean(alive), inHand: held.get(worker.id) ?? [] }
        })
        .sort((a, b) => Number(b.isAlive) - Number(a.isAlive) || (a.id < b.id ? -1 : 1))
    },

    async sum() {
      const row = await read
        .selectFrom('workers')
        .select(({ fn }) => [fn.countAll<number>().as('alive'), fn.sum<number | null>('concurrency').as('children')])
        .select(({ fn }) => fn.sum<number | null>('busy').as('busy'))
        .where(isAlive)
        .executeTakeFirstOrThrow()
      return { alive: Number(row.alive), children: Number(row.children ?? 0), busy: Number(row.busy ?? 0) }
    },

    async sweep(ageMs) {
      const { numDeletedRows } = await write
        .deleteFrom('workers')
        .where('seen_at', '<', sql<number>`${now} - ${ageMs}`)
        .executeTakeFirst()
      return Number(numDeletedRows)
    },
  }
}
