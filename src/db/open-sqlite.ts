// Opens the embedded database; its file is made and brought up to date by `migrate` first.
import { Kysely, sql } from 'kysely'
import { bringUpTo, type SchemaVersion } from './migrations.ts'
import type { Database, RowsOf, Schema } from './schema.ts'
import { sqliteDialect, type SqliteConnection } from './sqlite-dialect.ts'

/**
 * Opens (or makes) the database at `path` and runs the migrations it lacks. Returns their names too. `readOnly`: nothing is written,
 * by anybody who has this `Database`; the file has to be there.
 */
export async function openSqlite(
  path: string,
  { version = 'latest', readOnly = false }: { version?: SchemaVersion; readOnly?: boolean } = {},
): Promise<{ database: Database; migrated: string[] }> {
  const write = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly }) })
  try {
    const migrated = await bringUpTo(write, version)
    const read = new Kysely<Schema>({ dialect: sqliteDialect(path, { readOnly: true }) })
    return {
      migrated,
      database: {
        write,
        read,
        now: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
        canSkipLocked: false,
        isRemote: false,
        transact: (queries) =>
          write.getExecutor().provideConnection(async (connection) => {
            const results = await (connection as SqliteConnection).run(queries.map((query) => query.compile()))
            return results.map((result) => result.rows) as RowsOf<typeof queries>
          }),
        snapshot: (body) => read.transaction().execute(body),
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
