// What Calotype has kept, seen from outside: rows, files, and whether each has the other.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { Status } from '../../../src/image.ts'
import { originalKey, renditionKey } from '../../../src/rendition/keys.ts'

/** Where rows and files lie; the server need not run. */
export interface DataAt {
  readonly dataDir: string
  /** PostgreSQL; without it, rows lie in a database of DATA_DIR. */
  readonly databaseUrl?: string | undefined
}

/** Rows of a query that both databases understand, also while a server runs. Counts and sizes are numbers. */
export async function query<Row extends object>({ dataDir, databaseUrl }: DataAt, sql: string): Promise<Row[]> {
  if (databaseUrl === undefined) {
    const database = new DatabaseSync(join(dataDir, 'calotype.sqlite'), { readOnly: true, timeout: 5_000 })
    try {
      return database.prepare(sql).all() as Row[]
    } finally {
      database.close()
    }
  }
  const getTypeParser: typeof pg.types.getTypeParser = (oid: number) =>
    oid === pg.types.builtins.INT8 ? Number : (pg.types.getTypeParser(oid) as never)
  const client = new pg.Client({ connectionString: databaseUrl, types: { getTypeParser } })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Changes rows behind the server's back, by a statement that both databases understand. */
export async function change({ dataDir, databaseUrl }: DataAt, sql: string): Promise<void> {
  if (databaseUrl === undefined) {
    const database = new DatabaseSync(join(dataDir, 'calotype.sqlite'), { timeout: 5_000 })
    try {
      database.exec(sql)
    } finally {
      database.close()
    }
    return
  }
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Keys of the files below a folder of DATA_DIR, in order. */
export async function filesIn(dataDir: string, folder: 'originals' | 'renditions' | 'tmp'): Promise<string[]> {
  const entries = await readdir(join(dataDir, folder), { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dataDir, join(entry.parentPath, entry.name)))
    .sort()
}

export interface Audit {
  images: { id: string; batch_id: string; name: string; sha256: string; status: Status }[]
  originals: string[]
  renditions: string[]
  temporary: string[]
  /** Keys of files that the rows speak of and that are not there, or not with these bytes. */
  rowsWithoutBytes: string[]
  /** Files that no image uses. */
  bytesWithoutRows: string[]
}

/** Looks at everything; the server should be stopped, or at rest. Every original is read and hashed. */
export async function audit(at: DataAt): Promise<Audit> {
  const { dataDir } = at
  const images = await query<Audit['images'][number]>(at, 'select id, batch_id, name, sha256, status from images')
  const used = await query<{ sha256: string; size: number }>(at, 'select distinct sha256, size from images')
  // Without a size: an output that an image says to have, and its row does not.
  const outputs = await query<{ sha256: string; operation: string; bytes: number | null }>(
    at,
    `select sha256, operation, bytes from renditions where status = 'completed' and sha256 in (select sha256 from images)
     union select images.sha256, recipe_outputs.operation, renditions.bytes
     from images join recipe_outputs on recipe_outputs.recipe = images.recipe and recipe_outputs.format = images.format
       left join renditions on renditions.sha256 = images.sha256 and renditions.operation = recipe_outputs.operation
     where images.status = 'completed'`,
  )
  const [originals, renditions, temporary] = await Promise.all([
    filesIn(dataDir, 'originals'),
    filesIn(dataDir, 'renditions'),
    filesIn(dataDir, 'tmp'),
  ])
  const expected = new Set<string>()
  const rowsWithoutBytes: string[] = []
  const expect = async (key: string, fits: (path: string) => Promise<boolean>) => {
    expected.add(key)
    if (!(await fits(join(dataDir, key)).catch(() => false))) rowsWithoutBytes.push(key)
  }
  const hasSize = (size: number | null) => async (path: string) => (await stat(path)).size === size
  for (const { sha256, size } of used) {
    const hasHash = async (path: string) =>
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex') === sha256
    await expect(originalKey(sha256), async (path) => (await hasSize(size)(path)) && hasHash(path))
  }
  for (const { sha256, operation, bytes } of outputs) await expect(renditionKey(sha256, operation), hasSize(bytes))
  const bytesWithoutRows = [...originals, ...renditions].filter((key) => !expected.has(key))
  return { images, originals, renditions, temporary, rowsWithoutBytes, bytesWithoutRows }
}
