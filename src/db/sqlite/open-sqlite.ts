// Opens the embedded database; its file is made and brought up to date by `migrate` first.
import { Kysely, sql } from 'kysely'
import { bringUpTo, type SchemaVersion } from '../migrations.ts'
import { findNamesInSqlite } from '../name-search.ts'
import type { Database, OnRoundTrip, RowsOf, Schema } from '../schema.ts'
import { toStartError } from './sqlite-faults.ts'
import { emptyLoad, sqliteDialect, type SqliteConnection } from './sqlite-dialect.ts'

export interface SqliteOptions {
  /** Default: `latest`. */
  version?: SchemaVersion
  /** Nothing is written, by anybody who has this `Database`; the file has to be there. */
  readOnly?: boolean
  onRoundTrip?: OnRoundTrip | undefined
}

/** Opens (or makes) the database at `path` and runs the migrations it lacks. Returns their names too. */
export async function openSqlite(
  path: string,
  { version = 'latest', readOnly = false, onRoundTrip }: SqliteOptions = {},
): Promise<{ database: Database; migrated: string[] }> {
  const [writeLoad, readLoad] = [emptyLoad(), emptyLoad()]
  const loads = [writeLoad, readLoad]
  const write = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly, load: writeLoad, onRoundTrip }) })
  try {
    const migrated = await bringUpTo(write, version)
    const read = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly: true, load: readLoad, onRoundTrip }) })
    return {
      migrated,
      database: {
        write,
        read,
        now: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
        sizeBytes: sql<number>`(select page_count * page_size from pragma_page_count(), pragma_page_size())`,
        canSkipLocked: false,
        isRemote: false,
        findNames: findNamesInSqlite,
        transact: (queries, { mayBeLost = false } = {}) =>
          write.getExecutor().provideConnection(async (connection) => {
            const results = await (connection as SqliteConnection).run(
              queries.map((query) => query.compile()),
              mayBeLost,
            )
            return results.map((result) => result.rows) as RowsOf<typeof queries>
          }),
        snapshot: (body) => read.transaction().execute(body),
        connections: () => ({
          open: loads.length,
          inUse: loads.filter(({ inFlight }) => inFlight > 0).length,
          // A connection does one thing at a time.
          waiting: loads.reduce((sum, { inFlight, waiting }) => sum + waiting + Math.max(0, inFlight - 1), 0),
        }),
        async close() {
          await read.destroy()
          await write.destroy()
        },
      },
    }
  } catch (error) {
    await write.destroy()
    throw toStartError(error)
  }
}
