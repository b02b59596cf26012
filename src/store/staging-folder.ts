// Local files on their way to a store elsewhere and back: a folder of this process's own, among those of other processes.
import { randomUUID } from 'node:crypto'
import { mkdir, opendir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../errors.ts'
import type { BlobStat } from './blob-store.ts'
import { lockDataDir, readServerInfo } from './data-dir-lock.ts'

export interface StagingFolder {
  /** The folder itself. */
  readonly path: string
  /** Path of a new file; none is there yet. */
  newFile(): string
  /** The staged files of every process that has its folder in the same parent. */
  files(): AsyncGenerator<{ path: string } & BlobStat>
  /** Removes the folder with everything in it. */
  close(): Promise<void>
}

const NAME = /^staging-[0-9a-f-]{36}$/

// Between making its folder and locking it a process is not to be taken for dead. It needs milliseconds.
const MIN_AGE_MS = 60_000

/**
 * Makes a folder in `parent` (made where missing) that no other process uses, and removes those whose owners are dead. Whether an
 * owner lives is told by a lock that the kernel frees at its death, not by its PID, which in another container means another
 * process. Throws StartError when the folder can't be written.
 */
export async function openStagingFolder(parent: string, { asVisitor } = { asVisitor: false }): Promise<StagingFolder> {
  const path = join(parent, `staging-${randomUUID()}`)
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw new StartError(`DATA_DIR: ${parent} can't be written (${(error as Error).message}). Choose a folder this user may write.`, {
      cause: error,
    })
  }
  const lock = lockDataDir(path, { pid: process.pid })
  for (const name of asVisitor ? [] : await readdir(parent)) {
    if (NAME.test(name)) await removeIfDead(join(parent, name))
  }
  return {
    path,
    newFile: () => join(path, randomUUID()),
    files: () => stagedFiles(parent),
    async close() {
      lock.release()
      await rm(path, { recursive: true, force: true })
    },
  }
}

// As `newFile` names them: not the lock of a folder, nor what somebody else put there.
const STAGED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Files with names of ours in a folder and in those below it; one that goes meanwhile is passed over. */
export async function* stagedFiles(folder: string): AsyncGenerator<{ path: string } & BlobStat> {
  let entries
  try {
    entries = await opendir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  for await (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* stagedFiles(path)
    else if (STAGED.test(entry.name)) {
      const found = await stat(path).catch(() => null)
      if (found) yield { path, size: found.size, modifiedAt: found.mtimeMs }
    }
  }
}

async function removeIfDead(folder: string) {
  try {
    if (Date.now() - (await stat(folder)).mtimeMs < MIN_AGE_MS || readServerInfo(folder)) return
    await rm(folder, { recursive: true, force: true })
  } catch {
    // Its owner, or another start, removes it at the same time; or it belongs to another user, whose start will.
  }
}
