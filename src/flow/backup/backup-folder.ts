// The folder a backup is: what lies where in it, what its manifest says, and how it is read.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { StartError } from '../../errors.ts'
import type { ArchivedRow, RowPage, TableName } from '../../record/admin/row-archive.ts'

const FORMAT = 'calotype-backup-1'

export interface Manifest {
  format: typeof FORMAT
  /** ISO 8601, UTC: when the rows were read. */
  taken_at: string
  /** Version of the tables: the name of the last migration. */
  schema: string
  /** Whether the bytes of the originals are in the backup, or only the list of them. */
  originals: 'files' | 'list'
  original_count: number
  original_bytes: number
  /** Originals that were not to be had, or damaged, when it was made. */
  fault_count: number
  /** Each a file of JSON lines, with its SHA-256. */
  tables: { table: TableName; rows: number; sha256: string }[]
}

export const newManifest = (content: Omit<Manifest, 'format'>): Manifest => ({ format: FORMAT, ...content })

/** The last file that is written: a folder without it is not a whole backup. */
export const manifestFile = (folder: string) => join(folder, 'manifest.json')
export const rowsFile = (folder: string, table: TableName) => join(folder, 'rows', `${table}.jsonl`)
/** Each line the hash of an original of the backup that was lost or damaged when it was made, and which. */
export const faultsFile = (folder: string) => join(folder, 'faults.jsonl')

/** Throws StartError where there is no whole backup of a format we know. */
export async function readManifest(folder: string): Promise<Manifest> {
  let manifest: Manifest
  try {
    manifest = JSON.parse(await readFile(manifestFile(folder), 'utf8')) as Manifest
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it has no manifest.json' : (error as Error).message
    throw new StartError(`${folder} is not a whole backup: ${why}.`, { cause: error })
  }
  if (manifest.format !== FORMAT) throw new StartError(`${folder} is a backup of another format than ${FORMAT}.`)
  return manifest
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Lines of JSON, one at a time. */
export async function* readLines<T>(path: string): AsyncGenerator<T> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line !== '') yield JSON.parse(line) as T
  }
}

const PAGE = 500

export async function* readPages(folder: string, tables: TableName[]): AsyncGenerator<RowPage> {
  for (const table of tables) {
    let rows: ArchivedRow[] = []
    for await (const row of readLines<ArchivedRow>(rowsFile(folder, table))) {
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
