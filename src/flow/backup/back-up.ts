// Makes a backup beside running servers: bytes, then all rows as of one moment, then the bytes that came between; and verifies it.
import { constants } from 'node:fs'
import { copyFile, link, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CalotypeError, StartError } from '../../errors.ts'
import { originalKey } from '../../rendition/keys.ts'
import type { RowArchive } from '../../record/admin/row-archive.ts'
import type { RowSurvey } from '../../record/admin/row-survey.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import { sizeOfBlob } from '../doctor/examine-original.ts'
import {
  faultsFile,
  hashOfFile,
  manifestFile,
  newManifest,
  readLines,
  rowsFile,
  savedOriginal,
  syncPath,
  writeLines,
  type LostOriginal,
  type Manifest,
  type SavedOriginal,
} from './backup-folder.ts'

export interface BackUpDeps {
  blobs: BlobStore
  archive: RowArchive
  survey: RowSurvey
  onProgress(what: 'copied' | 'verified', originals: number): void
}

export interface BackUpOptions {
  /** New or empty. */
  folder: string
  /** Copies; hard links, where the store is a folder on the same disk; or only the list, where the store has a backup of its own. */
  originals: 'copy' | 'link' | 'list'
}

const PAGE = 500
const AT_ONCE = 8
/** Each time rows are read again because an image of them was deleted before its bytes were copied. */
const MOST_SNAPSHOTS = 5

/**
 * Returns what its manifest says, and calls `onFault` for each original that is not in it as it was uploaded. Throws StartError if the
 * folder is not empty, and rejects when bytes can not be read: then there is no backup.
 */
export async function backUp(deps: BackUpDeps, options: BackUpOptions, onFault: (fault: LostOriginal) => void): Promise<Manifest> {
  const { folder } = options
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0) throw new StartError(`${folder} is not empty. Name a folder that is new, or empty.`)
  await mkdir(join(folder, 'rows'))
  const bytes = options.originals === 'list' ? null : new CopiedOriginals(deps, options)
  if (bytes) await bytes.copyAll()
  let taken
  for (let snapshots = 1; ; snapshots++) {
    taken = await writeRows(deps.archive, folder)
    // Bytes stay for the grace period after their image was deleted, and few are left to be copied now.
    if (!bytes || (await bytes.copyNew()) === 0 || snapshots === MOST_SNAPSHOTS) break
  }
  await bytes?.removeOthers()
  const verified = await verify(deps, folder, bytes, onFault)
  const manifest = newManifest({ ...taken, originals: bytes ? 'files' : 'list', ...verified })
  await writeFile(`${manifestFile(folder)}.new`, `${JSON.stringify(manifest, null, 2)}\n`)
  await syncPath(`${manifestFile(folder)}.new`)
  await rename(`${manifestFile(folder)}.new`, manifestFile(folder))
  for (const path of [join(folder, 'rows'), folder, dirname(resolve(folder))]) await syncPath(path)
  return manifest
}

function writeRows(archive: RowArchive, folder: string): Promise<Pick<Manifest, 'taken_at' | 'schema' | 'tables'>> {
  return archive.snapshot(async ({ schema, pages }) => {
    const taken_at = new Date().toISOString()
    const files = new Map<string, Awaited<ReturnType<typeof writeLines>>>()
    for await (const { table, rows } of pages) {
      if (!files.has(table)) files.set(table, await writeLines(rowsFile(folder, table)))
      await files.get(table)!.add(rows)
    }
    const tables = []
    for (const [table, file] of files) tables.push({ table, ...(await file.end()) })
    return { taken_at, schema, tables }
  })
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )

class CopiedOriginals {
  readonly #deps: BackUpDeps
  readonly #options: BackUpOptions
  #copied = 0

  constructor(deps: BackUpDeps, options: BackUpOptions) {
    this.#deps = deps
    this.#options = options
  }

  path(sha256: string) {
    return join(this.#options.folder, originalKey(sha256))
  }

  /** As they are now: what is deleted meanwhile is passed over. */
  async copyAll() {
    const { survey, onProgress } = this.#deps
    for (let byte = 0; byte < 256; byte++) {
      const prefix = byte.toString(16).padStart(2, '0')
      await mkdir(join(this.#options.folder, 'originals', prefix), { recursive: true })
      for (let after = ''; ;) {
        const page = await survey.originals(prefix, after, PAGE)
        await forEachConcurrent(AT_ONCE, page, async ({ sha256 }) => void (await this.copy(sha256)))
        const last = page.at(-1)
        if (!last) break
        after = last.sha256
        onProgress('copied', this.#copied)
      }
    }
  }

  /** Of the rows that were written, those that have no copy. Returns how many have gone since. */
  async copyNew(): Promise<number> {
    let gone = 0
    await forEachConcurrent(AT_ONCE, readLines(rowsFile(this.#options.folder, 'originals'), savedOriginal), async ({ sha256 }) => {
      if ((await isThere(this.path(sha256))) || (await this.copy(sha256))) return
      if (!(await this.#deps.survey.original(sha256))) gone++
    })
    return gone
  }

  /** Whether there was something to copy. */
  async copy(sha256: string): Promise<boolean> {
    const target = this.path(sha256)
    let source
    try {
      source = await this.#deps.blobs.checkout(originalKey(sha256))
    } catch (error) {
      if (error instanceof CalotypeError && error.code === 'not_found') return false
      throw error
    }
    try {
      if (this.#options.originals === 'link') await link(source.path, target)
      else {
        await copyFile(source.path, target, constants.COPYFILE_FICLONE)
        await syncPath(target)
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Deleted between the two.
      if (code === 'ENOENT') return false
      if (code === 'EXDEV')
        throw new StartError(`${this.#options.folder} is on another disk than the originals: they can't be linked there.`)
      throw error
    } finally {
      await source.release()
    }
    this.#copied++
    return true
  }

  /** A copy that went wrong is made once more. */
  async faultOf({ sha256 }: SavedOriginal): Promise<LostOriginal['code'] | null> {
    const path = this.path(sha256)
    if (!(await isThere(path)) && !(await this.copy(sha256))) return 'original_missing'
    if ((await hashOfFile(path)) === sha256) return null
    await rm(path)
    if (!(await this.copy(sha256))) return 'original_missing'
    return (await hashOfFile(path)) === sha256 ? null : 'original_damaged'
  }

  /** Removes copies of what was deleted before the rows were written; those are in the order of their hashes. */
  async removeOthers() {
    const { folder } = this.#options
    let [byte, known] = [0, new Set<string>()]
    const endBefore = async (next: number) => {
      for (; byte < next; byte++, known = new Set()) {
        const part = join(folder, 'originals', byte.toString(16).padStart(2, '0'))
        for (const name of await readdir(part)) if (!known.has(name)) await rm(join(part, name))
        await syncPath(part)
      }
    }
    for await (const { sha256 } of readLines(rowsFile(folder, 'originals'), savedOriginal)) {
      await endBefore(Number.parseInt(sha256.slice(0, 2), 16))
      known.add(sha256)
    }
    await endBefore(256)
    await syncPath(join(folder, 'originals'))
  }
}

/** Every original of the rows that were written: its copy by its hash; without copies, that the store has it with its size. */
async function verify(
  { blobs, onProgress }: BackUpDeps,
  folder: string,
  bytes: CopiedOriginals | null,
  onFault: (fault: LostOriginal) => void,
) {
  const faults = await writeLines(faultsFile(folder))
  let [original_count, original_bytes] = [0, 0]
  const faultInStore = async ({ sha256, size }: SavedOriginal): Promise<LostOriginal['code'] | null> => {
    const found = await sizeOfBlob(blobs, originalKey(sha256))
    if (found === null) return 'original_missing'
    return found === size ? null : 'original_damaged'
  }
  await forEachConcurrent(AT_ONCE, readLines(rowsFile(folder, 'originals'), savedOriginal), async (original) => {
    const code = await (bytes ? bytes.faultOf(original) : faultInStore(original))
    original_count++
    original_bytes += original.size
    onProgress('verified', original_count)
    if (!code) return
    onFault({ sha256: original.sha256, code })
    await faults.add([{ sha256: original.sha256, code }])
  })
  const { rows: fault_count } = await faults.end()
  return { original_count, original_bytes, fault_count }
}
