// Opens the embedded database; its file is made and brought up to date by `migrate` first.
import { Kysely, sql } from 'kysely'
import { StartError } from '../errors.ts'
import { isUpToDate, migrateToLatest } from './migrations.ts'
import type { Database, RowsOf, Schema } from './schema.ts'
import { sqliteDialect, type SqliteConnection } from './sqlite-dialect.ts'

/**
 * Opens (or makes) the database at `path` and runs the migrations it lacks. Returns their names too. Beside a server that has it open,
 * nothing is migrated under its hands: StartError, if something would have to be.
 */
export async function openSqlite(path: string, { beside = false } = {}): Promise<{ database: Database; migrated: string[] }> {
  const write = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly: false }) })
  try {
    if (beside && !(await isUpToDate(write))) {
      throw new StartError('The server that runs is of another version than this command. Start it again, then try once more.')
    }
    const migrated = beside ? [] : await migrateToLatest(write)
    const read = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly: true }) })
    return {
      migrated,
      database: {
        write,
        read,
        now: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
        sizeBytes: sql<number>`(select page_count * page_size from pragma_page_count(), pragma_page_size())`,
        canSkipLocked: false,
        isRemote: false,
        transact: (queries) =>
          write.getExecutor().provideConnection(async (connection) => {
            const results = await (connection as SqliteConnection).run(queries.map((query) => query.compile()))
            return results.map((result) => result.rows) as RowsOf<typeof queries>
          }),
        async close() {
          await read.destroy()
          await write.destroy()
        },
      },
    }
  } catch (error) {
    await write.destroy()
    throw error
  }
}
