// Puts a backup beside an empty database: bytes first, then all rows at once, so that what was interrupted is a place without images.
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ERRORS } from '../../error-codes.ts'
import { StartError } from '../../errors.ts'
import { originalKey } from '../../rendition/keys.ts'
import type { RowArchive, Settling } from '../../record/admin/row-archive.ts'
import type { RowSurvey } from '../../record/admin/row-survey.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import { hashOfBlob } from '../doctor/examine-original.ts'
import {
  faultsFile,
  hashOfFile,
  lostOriginal,
  readLines,
  readPages,
  rowsFile,
  savedOriginal,
  type LostOriginal,
  type Manifest,
} from './backup-folder.ts'

export interface RestoreDeps {
  blobs: BlobStore
  archive: RowArchive
  onProgress(restored: number, of: number): void
}

const AT_ONCE = 8

/**
 * The rows are loaded as they were; those of an older version (not `isLatest`) have to be brought up to date and settled afterwards.
 * Returns the originals that are not what was uploaded, for `giveUpLost`. Throws StartError for a backup that is not as its manifest
 * says, and for a database that is not empty. Originals that are in the store already stay.
 */
export async function restore(
  { blobs, archive, onProgress }: RestoreDeps,
  folder: string,
  manifest: Manifest,
  isLatest: boolean,
): Promise<LostOriginal[]> {
  for (const { table, sha256 } of manifest.tables) {
    const file = rowsFile(folder, table)
    if ((await hashOfFile(file)) !== sha256) throw new StartError(`${file} is not what its manifest says: this backup is damaged.`)
  }
  const tables = manifest.tables.map(({ table }) => table)
  if (!(await archive.isEmpty(tables)))
    throw new StartError('There are rows in the database. A backup is restored into an empty place only.')
  const hasFiles = manifest.originals === 'files'
  const lost = new Map<string, LostOriginal>()
  for await (const fault of readLines(faultsFile(folder), lostOriginal)) lost.set(fault.sha256, fault)
  if (hasFiles) {
    let restored = 0
    await forEachConcurrent(AT_ONCE, readLines(rowsFile(folder, 'originals'), savedOriginal), async ({ sha256 }) => {
      const code = await restoreOriginal(blobs, folder, sha256)
      if (code) lost.set(sha256, { sha256, code })
      onProgress(++restored, manifest.original_count)
    })
  }
  await archive.load(readPages(folder, tables), isLatest ? settlingOf(manifest) : null)
  return [...lost.values()]
}

/** What was made of originals is there only if the store is the one that was backed up. */
export const settlingOf = (manifest: Manifest): Settling => ({ remakeAll: manifest.originals === 'files' })

/** What is wrong with it, if anything is. */
async function restoreOriginal(blobs: BlobStore, folder: string, sha256: string): Promise<LostOriginal['code'] | null> {
  const key = originalKey(sha256)
  // Where only the database was lost, the store may have better bytes than the backup.
  if ((await blobs.stat(key)) && (await hashOfBlob(blobs, key)) === sha256) return null
  const staged = blobs.stage()
  try {
    await copyFile(join(folder, originalKey(sha256)), staged)
    const found = await hashOfFile(staged)
    // Damaged bytes are more than none: whoever asks for the original gets them.
    await blobs.put(staged, key)
    return found === sha256 ? null : 'original_damaged'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'original_missing'
    throw error
  } finally {
    await blobs.discard(staged)
  }
}

/** Images of originals that are lost say so. */
export async function giveUpLost(survey: RowSurvey, lost: LostOriginal[]): Promise<void> {
  for (const [code, originals] of Map.groupBy(lost, (one) => one.code)) {
    await survey.giveUp(
      originals.map(({ sha256 }) => sha256),
      { code, error: ERRORS[code] },
    )
  }
}
