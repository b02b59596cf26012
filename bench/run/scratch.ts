// Where a bench keeps what it makes: a folder that goes afterwards, whatever happens; and how a bench ends.
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'

// In the clone, so on the disk DATA_DIR is on by default: the system's temporary folder may be in memory.
const CACHE = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Runs a bench with a folder for what it makes, which goes at its end. What the bench throws is told in a sentence, and makes the
 * exit code 1.
 */
export async function inScratch(bench: (root: string) => Promise<void>): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const root = await mkdtemp(join(CACHE, 'bench-'))
  const remove = () => rmSync(root, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  try {
    await bench(root)
  } catch (error) {
    console.error((error as Error).message)
    // What else was under way is not waited for; what was started ends by its exit hooks.
    process.exit(1)
  } finally {
    remove()
    process.off('exit', remove)
  }
}

/**
 * Frees the bytes in a folder, and leaves its files until the bench ends: ext4 looks at every number of a file deleted in the last minutes
 * before it gives a file the next one, so that the deletes of one run would count for the run after it.
 */
export async function emptyFolder(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) if (entry.isFile()) await truncate(join(entry.parentPath, entry.name))
}
