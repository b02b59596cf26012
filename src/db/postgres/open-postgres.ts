// Opens a PostgreSQL, directly or through PgBouncer in transaction mode: nothing here outlives a transaction.
import { Kysely, PostgresAdapter, PostgresDialect, sql, type Transaction } from 'kysely'
import pg from 'pg'
import { StartError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { bringUpTo, type SchemaVersion } from '../migrations.ts'
import { findNamesInPostgres, hasNamesIndex, makeNamesIndex } from '../name-search.ts'
import type { Database, OnRoundTrip, RowsOf, Schema } from '../schema.ts'

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
  onRoundTrip?: OnRoundTrip | undefined
  log: Logger
  /** Default: `latest`. */
  version?: SchemaVersion
}

/** Runs migrations, and makes the index of names if it can, through a connection of its own: with many rows they take their time. */
async function prepare(settings: pg.PoolConfig, version: SchemaVersion, log: Logger) {
  const pool = new pg.Pool({ ...settings, max: 1, query_timeout: 0 })
  pool.on('error', () => {})
  const db = new Kysely<Schema>({ dialect: new PooledPostgresDialect({ pool }) })
  const alone = <T>(body: (trx: Transaction<Schema>) => Promise<T>) =>
    db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(trx)
      return body(trx)
    })
  try {
    const migrated = await alone((trx) => bringUpTo(trx, version))
    if (version !== 'latest') return { migrated, canFindNames: false }
    try {
      if (!(await hasNamesIndex(db))) await alone(makeNamesIndex)
      return { migrated, canFindNames: true }
    } catch (error) {
      const { message } = error as Error
      log.warn(`There is no index of names, so a search looks at one name after the other (${message}). See docs/operations.md, "Search".`)
      return { migrated, canFindNames: false }
    }
  } finally {
    await db.destroy()
  }
}

/** Connects and runs the migrations that are missing (one server at a time, whoever starts). Rejects with StartError if it can't connect. */
export async function openPostgres({
  url,
  maxConnections,
  onRoundTrip,
  log,
  version = 'latest',
}: PostgresOptions): Promise<{ database: Database; migrated: string[] }> {
  const settings: pg.PoolConfig = {
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
  }
  const pool = new pg.Pool(settings)
  // An idle connection that the server closes is replaced at its next use.
  pool.on('error', (error) => log.warn({ err: error }, 'a database connection was lost'))
  // One that is lent out, lost between two queries of a transaction, says so outside of any query: its next one rejects, too. Without
  // a listener it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  const db = new Kysely<Schema>({
    dialect: new PooledPostgresDialect({ pool }),
    ...(onRoundTrip && {
      log: ({ level, queryDurationMillis: ms }) => onRoundTrip({ statements: 1, ms, failed: level === 'error' }),
    }),
  })
  try {
    const { migrated, canFindNames } = await prepare(settings, version, log)
    return {
      migrated,
      database: {
        write: db,
        read: db,
        now: sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
        sizeBytes: sql<number>`pg_database_size(current_database())`,
        canSkipLocked: true,
        isRemote: true,
        findNames: canFindNames ? findNamesInPostgres : null,
        transact: (queries) =>
          db.transaction().execute(async (trx) => {
            const results = []
            for (const query of queries) results.push((await trx.executeQuery(query.compile())).rows)
            return results as unknown as RowsOf<typeof queries>
          }),
        snapshot: (body) => db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(body),
        connections: () => ({ open: pool.totalCount, inUse: pool.totalCount - pool.idleCount, waiting: pool.waitingCount }),
        close: () => db.destroy(),
      },
    }
  } catch (error) {
    await db.destroy()
    if (error instanceof StartError) throw error
    const { message } = error as Error
    throw new StartError(`DATABASE_URL: the database can't be used (${message}). Check that it runs and that the address is right.`, {
      cause: error,
    })
  }
}
