// Copies of a database that are put back later, and databases that are lost, as happens to people; the servers have to be stopped for that.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { change, query, type DataAt } from './data-dir.ts'

export interface DatabaseCopy {
  putBack(): Promise<void>
}

const FILES = ['calotype.sqlite', 'calotype.sqlite-wal', 'calotype.sqlite-shm']
let copies = 0

/** As it is now, also while servers run. */
export async function copyDatabase(at: DataAt): Promise<DatabaseCopy> {
  const copy = `copy_${++copies}`
  if (at.databaseUrl === undefined) {
    const folder = mkdtempSync(join(at.dataDir, '..', copy))
    const source = new DatabaseSync(join(at.dataDir, FILES[0]!), { readOnly: true, timeout: 5_000 })
    await backup(source, join(folder, FILES[0]!))
    source.close()
    return {
      async putBack() {
        await loseDatabase(at)
        cpSync(join(folder, FILES[0]!), join(at.dataDir, FILES[0]!))
      },
    }
  }
  const tables = await tablesOf(at)
  await change(at, `create schema ${copy}; ${tables.map((table) => `create table ${copy}.${table} as table public.${table}`).join('; ')}`)
  return {
    // Without its triggers, whose work is in the copy.
    putBack: () =>
      change(
        at,
        `set local session_replication_role = replica; truncate ${tables.map((table) => `public.${table}`).join(', ')}; ` +
          tables.map((table) => `insert into public.${table} select * from ${copy}.${table}`).join('; '),
      ),
  }
}

/** The database is there, and empty: moved away, a new volume. */
export async function loseDatabase(at: DataAt): Promise<void> {
  if (at.databaseUrl === undefined) for (const name of FILES) rmSync(join(at.dataDir, name), { force: true })
  else await change(at, `truncate ${(await tablesOf(at)).map((table) => `public.${table}`).join(', ')}`)
}

const tablesOf = async (at: DataAt) => {
  const rows = await query<{ name: string }>(
    at,
    "select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'kysely%'",
  )
  return rows.map(({ name }) => name)
}

/** Moves the store out of its place, as a disk that is not mounted, and gives the way back; what came meanwhile is lost. */
export function takeStoreAway({ dataDir }: DataAt): { bringBack(): void; folder: string } {
  const folder = mkdtempSync(join(dataDir, '..', 'store-'))
  const move = (from: string, to: string) => {
    for (const name of ['originals', 'renditions', 'store-run']) {
      rmSync(join(to, name), { recursive: true, force: true })
      if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true })
      rmSync(join(from, name), { recursive: true, force: true })
    }
  }
  move(dataDir, folder)
  return { folder, bringBack: () => move(folder, dataDir) }
}
