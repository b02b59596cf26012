// Where files of the folder store are written before they are renamed into place, and what ended processes left there.
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'

// A folder of staged files that its process has not touched for so long is nobody's. A lock, as staging-folder.ts has it on a local disk,
// would tell at once, but not over every network file system, and one wrongly taken for dead would lose what it is writing.
const ABANDONED_MS = 24 * 60 * 60 * 1000

export interface StagingOptions {
  /** Other processes have it open, too. */
  isShared?: boolean
  /** Another process may have it open, as if it were alone: what ended processes have left is left alone. It stores little. */
  asVisitor?: boolean
}

/** False, too, where another process removes it just now. */
async function isAbandoned(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs >= ABANDONED_MS
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** The folder where this process stages files; what ended processes left is removed. */
export async function openStaging(folder: string, { isShared = false, asVisitor = false }: StagingOptions) {
  const tmp = join(folder, 'tmp')
  await mkdir(tmp, { recursive: true })
  for (const left of asVisitor ? [] : await readdir(tmp)) {
    const path = join(tmp, left)
    if (isShared && !(await isAbandoned(path))) continue
    await rm(path, { recursive: true, force: true })
  }
  if (!isShared && !asVisitor) return { staging: tmp, close: async () => {} }
  const staging = join(tmp, randomUUID())
  await mkdir(staging)
  const touching = setInterval(() => void utimes(staging, new Date(), new Date()).catch(() => undefined), ABANDONED_MS / 24).unref()
  return {
    staging,
    async close() {
      clearInterval(touching)
      await rm(staging, { recursive: true, force: true })
    },
  }
}

/** Somebody emptied the folder of staged files. Where the store itself is gone, there is another disk, or none: writing says so. */
export function makeAgain(folder: string, prefixes: string[], staging: string) {
  if (prefixes.every((prefix) => existsSync(join(folder, prefix)))) mkdirSync(staging, { recursive: true })
}
