// The blob store in a folder: written aside, synced, renamed, the folder synced; so a name always stands for whole bytes.
import { randomUUID } from 'node:crypto'
import fs, { closeSync, createReadStream, openSync } from 'node:fs'
import { access, constants, mkdir, open, opendir, readdir, rename, rm, stat, statfs, unlink, utimes } from 'node:fs/promises'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CalotypeError, StartError, toCalotypeError } from '../errors.ts'
import { failpoint } from '../failpoints.ts'
import type { BlobStat, BlobStore } from './blob-store.ts'
import { stagedFiles } from './staging-folder.ts'

const fsync = promisify(fs.fsync)

const PREFIXES = ['originals', 'renditions']

const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT'

async function sync(path: string) {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const SHARDS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Makes the 256 folders of a prefix, once: a key names its folder by the first byte of its hash (`image.ts`). */
async function makeShards(parent: string, path: string) {
  const made = await mkdir(path, { recursive: true })
  const there = new Set(made ? [] : await readdir(path))
  const missing = SHARDS.filter((shard) => !there.has(shard))
  if (missing.length === 0) return
  for (const shard of missing) await mkdir(join(path, shard), { recursive: true })
  await sync(path)
  await sync(parent)
}

const shardsOf = (folder: string, prefixes: string[]) => prefixes.flatMap((prefix) => SHARDS.map((shard) => join(folder, prefix, shard)))

/** One folder that belongs to somebody else would refuse each 256th image, long after the start. */
async function checkRights(folder: string) {
  const written = shardsOf(folder, PREFIXES)
  const { R_OK, W_OK, X_OK } = constants
  await Promise.all([folder, join(folder, 'tmp'), ...written].map((path) => access(path, R_OK | W_OK | X_OK)))
}

/**
 * Syncs folders, and holds open those named: to open and close one each time costs twice what the sync does. Whoever asks while one
 * sync runs shares the next, which begins after their rename.
 */
function openFolders(held: string[]) {
  const descriptors = new Map(held.map((folder) => [folder, openSync(folder, 'r')]))
  const running = new Map<string, { next: Promise<void> | null; current: Promise<void> }>()

  async function run(folder: string) {
    // Renames that end in the same turn of the loop share the sync.
    await nextTurn()
    try {
      const descriptor = descriptors.get(folder)
      await (descriptor === undefined ? sync(folder) : fsync(descriptor))
    } finally {
      if (!running.get(folder)?.next) running.delete(folder)
    }
  }

  return {
    sync(folder: string): Promise<void> {
      const state = running.get(folder)
      if (!state) {
        const current = run(folder)
        running.set(folder, { current, next: null })
        return current
      }
      state.next ??= state.current
        .catch(() => undefined)
        .then(() => {
          const current = run(folder)
          running.set(folder, { current, next: null })
          return current
        })
      return state.next
    },
    close() {
      for (const descriptor of descriptors.values()) closeSync(descriptor)
    },
  }
}

// Of a blob at once. While all cores develop, each trip to the file threads waits for its turn: most developed images need two.
const READ_BYTES = 256 * 1024

// A folder of staged files that its process has not touched for so long is nobody's. A lock, as staging-folder.ts has it on a local disk,
// would tell at once, but not over every network file system, and one wrongly taken for dead would lose what it is writing.
const ABANDONED_MS = 24 * 60 * 60 * 1000

export interface FilesystemOptions {
  /** Other processes have it open, too. */
  isShared?: boolean
  /** Another process may have it open, as if it were alone: what ended processes have left is left alone. It stores little. */
  asVisitor?: boolean
}

/** The folder where this process stages files; what ended processes left is removed. */
async function openStaging(folder: string, { isShared = false, asVisitor = false }: FilesystemOptions) {
  const tmp = join(folder, 'tmp')
  await mkdir(tmp, { recursive: true })
  for (const left of asVisitor ? [] : await readdir(tmp)) {
    const path = join(tmp, left)
    if (isShared && Date.now() - (await stat(path)).mtimeMs < ABANDONED_MS) continue
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

/**
 * Opens the store in `folder`, which is made where missing: `tmp/` for what is being written, and a folder for each prefix of
 * the keys. Only one process may have it open, unless it is said to be shared, and visitors.
 */
export async function openFilesystemStore(folder: string, options: FilesystemOptions = {}): Promise<BlobStore> {
  let staged
  let folders: ReturnType<typeof openFolders>
  try {
    staged = await openStaging(folder, options)
    for (const prefix of PREFIXES) await makeShards(folder, join(folder, prefix))
    if (!options.asVisitor) await checkRights(folder)
    folders = openFolders(options.asVisitor ? [] : shardsOf(folder, PREFIXES))
  } catch (error) {
    throw new StartError(`DATA_DIR: ${folder} can't be written (${(error as Error).message}). Choose a folder this user may write.`, {
      cause: error,
    })
  }
  const { staging, close } = staged

  async function* walk(path: string, key: string): AsyncGenerator<{ key: string } & BlobStat> {
    let entries
    try {
      entries = await opendir(path)
    } catch (error) {
      if (isMissing(error)) return
      throw error
    }
    for await (const entry of entries) {
      const [childPath, childKey] = [join(path, entry.name), `${key}${entry.name}`]
      if (entry.isDirectory()) yield* walk(childPath, `${childKey}/`)
      else {
        const found = await stat(childPath).catch((error: unknown) => {
          // It went between its name and the look at it.
          if (!isMissing(error)) throw toCalotypeError(error)
        })
        if (found) yield { key: childKey, size: found.size, modifiedAt: found.mtimeMs }
      }
    }
  }

  return {
    stage: () => join(staging, randomUUID()),

    async put(stagedPath, key, { synced = false, canBeMadeAgain = false } = {}) {
      try {
        // A shared folder may lie on another machine, whose crash nobody here would hear of.
        const durably = options.isShared || !canBeMadeAgain
        if (durably && !synced) await sync(stagedPath)
        const target = join(folder, key)
        await rename(stagedPath, target)
        failpoint('blob-renamed')
        if (durably) await folders.sync(dirname(target))
        failpoint('blob-in-place')
      } catch (error) {
        throw toCalotypeError(error)
      }
    },

    discard: (stagedPath) => rm(stagedPath, { force: true }).catch(() => undefined),

    staged: () => stagedFiles(join(folder, 'tmp')),

    async checkout(key) {
      const path = join(folder, key)
      try {
        await access(path, constants.R_OK)
      } catch (error) {
        throw isMissing(error) ? new CalotypeError('not_found', undefined, { cause: error }) : toCalotypeError(error)
      }
      return { path, release: async () => {} }
    },

    async stat(key) {
      try {
        const { size, mtimeMs } = await stat(join(folder, key))
        return { size, modifiedAt: mtimeMs }
      } catch (error) {
        if (isMissing(error)) return null
        throw toCalotypeError(error)
      }
    },

    async read(key, range) {
      const stream = createReadStream(join(folder, key), { ...range, highWaterMark: READ_BYTES })
      try {
        await once(stream, 'ready')
      } catch (error) {
        throw isMissing(error) ? new CalotypeError('not_found', undefined, { cause: error }) : toCalotypeError(error)
      }
      return stream
    },

    link: async () => null,

    async delete(keys) {
      for (const key of keys) {
        await unlink(join(folder, key)).catch((error: unknown) => {
          if (!isMissing(error)) throw toCalotypeError(error)
        })
      }
    },

    list: (prefix) => walk(join(folder, prefix), prefix),

    async space() {
      const { bsize, bavail, blocks } = await statfs(folder)
      return { freeBytes: bsize * bavail, totalBytes: bsize * blocks }
    },

    async close() {
      folders.close()
      await close()
    },
  }
}
