// The folder a backup is: what lies where in it, what its manifest says, and how it is read.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { StartError } from '../../errors.ts'
import type { ArchivedRow, RowPage } from '../../record/admin/row-archive.ts'

const FORMAT = 'calotype-backup-1'

const manifestContent = z.object({
  format: z.literal(FORMAT),
  /** ISO 8601, UTC: when the rows were read. */
  taken_at: z.string(),
  /** Version of the tables: the name of the last migration. */
  schema: z.string(),
  /** Whether the bytes of the originals are in the backup, or only the list of them. */
  originals: z.enum(['files', 'list']),
  original_count: z.number(),
  original_bytes: z.number(),
  /** Originals that were not to be had, or damaged, when it was made. */
  fault_count: z.number(),
  /** Each a file of JSON lines, with its SHA-256. */
  tables: z.array(z.object({ table: z.string().regex(/^[a-z_]+$/), rows: z.number(), sha256: z.string() })),
})

export type Manifest = z.output<typeof manifestContent>

/** A line of the faults: an original of the backup that was lost or damaged when it was made, and which of the two. */
export const lostOriginal = z.object({ sha256: z.string(), code: z.enum(['original_missing', 'original_damaged']) })
export type LostOriginal = z.output<typeof lostOriginal>

const archivedRow: z.ZodType<ArchivedRow> = z.record(z.string(), z.union([z.string(), z.number(), z.null()]))

/** What is looked at of a line of the originals. */
export const savedOriginal = z.object({ sha256: z.string(), size: z.number() })
export type SavedOriginal = z.output<typeof savedOriginal>

export const newManifest = (content: Omit<Manifest, 'format'>): Manifest => ({ format: FORMAT, ...content })

/** The last file that is written: a folder without it is not a whole backup. */
export const manifestFile = (folder: string) => join(folder, 'manifest.json')
export const rowsFile = (folder: string, table: string) => join(folder, 'rows', `${table}.jsonl`)
export const faultsFile = (folder: string) => join(folder, 'faults.jsonl')

/** Throws StartError where there is no whole backup of a format we know. */
export async function readManifest(folder: string): Promise<Manifest> {
  const broken = (why: string, cause: unknown) => new StartError(`${folder} is not a whole backup: ${why}.`, { cause })
  let content: unknown
  try {
    content = JSON.parse(await readFile(manifestFile(folder), 'utf8'))
  } catch (error) {
    throw broken((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it has no manifest.json' : (error as Error).message, error)
  }
  const { success, data, error } = manifestContent.safeParse(content)
  if (success) return data
  if (error.issues.some(({ path }) => path[0] === 'format')) throw new StartError(`${folder} is a backup of another format than ${FORMAT}.`)
  throw broken(`manifest.json has a wrong ${error.issues[0]?.path.join('.') || 'content'}`, error)
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Lines of JSON, one at a time. Rejects at one that is not as the schema has it. */
export async function* readLines<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line !== '') yield schema.parse(JSON.parse(line))
  }
}

const PAGE = 500

export async function* readPages(folder: string, tables: string[]): AsyncGenerator<RowPage> {
  for (const table of tables) {
    let rows: ArchivedRow[] = []
    for await (const row of readLines(rowsFile(folder, table), archivedRow)) {
      rows.push(row)
      if (rows.length < PAGE) continue
      yield { table, rows }
      rows = []
    }
    yield { table, rows }
  }
}

/** A file of JSON lines that is written; synced at its end. */
export async function writeLines(
  path: string,
): Promise<{ add(rows: object[]): Promise<void>; end(): Promise<{ rows: number; sha256: string }> }> {
  const file: FileHandle = await open(path, 'w')
  const hash = createHash('sha256')
  let count = 0
  let last: Promise<unknown> = Promise.resolve()
  return {
    async add(rows) {
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
      hash.update(text)
      count += rows.length
      await (last = last.then(() => file.appendFile(text)))
    },
    async end() {
      await file.sync()
      await file.close()
      return { rows: count, sha256: hash.digest('hex') }
    },
  }
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
