// Opens a PostgreSQL, directly or through PgBouncer in transaction mode: nothing here outlives a transaction.
import { Kysely, PostgresAdapter, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { StartError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { migrateToLatest } from './migrations.ts'
import type { Database, RowsOf, Schema } from './schema.ts'

const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000
// bigint: sizes, counts and times in milliseconds are far below 2^53.
const INT8 = 20

// Of servers that start at once, one migrates and the others wait. Any number, the same for all.
const MIGRATION_LOCK = 7_215_330_417

/** Kysely's own lock is of the session, which a pooler hands on; ours is of the transaction that migrates, and taken before it. */
class PooledPostgresAdapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

class PooledPostgresDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new PooledPostgresAdapter()
  }
}

export interface PostgresOptions {
  url: string
  /** Most connections of this process. */
  maxConnections: number
  log: Logger
}

/** Connects and runs the migrations that are missing (one server at a time, whoever starts). Rejects with StartError if it can't connect. */
export async function openPostgres({ url, maxConnections, log }: PostgresOptions): Promise<{ database: Database; migrated: string[] }> {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // The client's own: a setting of the session would stay with a connection that the pooler lends to others.
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format: 'text') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  })
  // An idle connection that the server closes is replaced at its next use.
  pool.on('error', (error) => log.warn({ err: error }, 'a database connection was lost'))
  // One that is lent out, lost between two queries of a transaction, says so outside of any query: its next one rejects, too. Without
  // a listener it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  const db = new Kysely<Schema>({ dialect: new PooledPostgresDialect({ pool }) })
  try {
    const migrated = await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(trx)
      return migrateToLatest(trx)
    })
    return {
      migrated,
      database: {
        write: db,
        read: db,
        now: sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
        sizeBytes: sql<number>`pg_database_size(current_database())`,
        canSkipLocked: true,
        isRemote: true,
        transact: (queries) =>
          db.transaction().execute(async (trx) => {
            const results = []
            for (const query of queries) results.push((await trx.executeQuery(query.compile())).rows)
            return results as unknown as RowsOf<typeof queries>
          }),
        close: () => db.destroy(),
      },
    }
  } catch (error) {
    await db.destroy()
    const { message } = error as Error
    throw new StartError(`DATABASE_URL: the database can't be used (${message}). Check that it runs and that the address is right.`, {
      cause: error,
    })
  }
}
