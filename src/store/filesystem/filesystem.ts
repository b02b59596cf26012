// The blob store in a folder: written aside, synced, renamed, the folder synced; so a name always stands for whole bytes.
import { randomUUID } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import {
  access,
  constants,
  mkdir,
  open,
  opendir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { once } from 'node:events'
import { basename, dirname, join, resolve } from 'node:path'
import { CalotypeError, StartError, toCalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { BlobStat, BlobStore } from '../blob-store.ts'
import { exactFs } from './exact-fs.ts'
import { makeAgain, openStaging, type StagingOptions } from './staging.ts'
import { createFolders } from './synced-folders.ts'
import { stagedFiles } from '../staging-folder.ts'

const PREFIXES = ['originals', 'renditions']
/** Names the run that used the store last. */
const RUN_FILE = 'store-run'

/** A key names its folder by the first byte of its hash (`image.ts`). */
const SHARD = /^[0-9a-f]{2}$/

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code
const isMissing = (error: unknown) => codeOf(error) === 'ENOENT'

async function sync(path: string) {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Renames a file to a name whose folder may not be there yet: 512 made at each first start would take as long as all else of it. */
async function moveTo(target: string, path: string, onNewFolder: (folder: string) => void) {
  try {
    await rename(path, target)
  } catch (error) {
    const shard = dirname(target)
    // Only this one: where what it lies in is missing, there is another disk than at the start, or none.
    if (!isMissing(error) || !SHARD.test(basename(shard))) throw error
    await mkdir(shard).catch((failure: unknown) => {
      if (codeOf(failure) !== 'EEXIST') throw failure
    })
    onNewFolder(shard)
    await rename(path, target)
  }
}

/** One folder that belongs to somebody else would refuse each 256th image, long after the start. */
async function checkRights(folder: string, prefixes: string[]) {
  const shards = prefixes.map(async (prefix) =>
    (await readdir(prefix)).filter((name) => SHARD.test(name)).map((name) => join(prefix, name)),
  )
  const written = [folder, join(folder, 'tmp'), ...prefixes, ...(await Promise.all(shards)).flat()]
  const { R_OK, W_OK, X_OK } = constants
  await Promise.all(written.map((path) => access(path, R_OK | W_OK | X_OK)))
}

// Of a blob at once. While all cores develop, each trip to the file threads waits for its turn: most developed images need two.
const READ_BYTES = 256 * 1024

/**
 * Opens the store in a folder, which is made where missing: `tmp/` for what is being written, and a folder for each prefix of
 * the keys. Only one process may have it open, unless it is said to be shared, and visitors.
 */
export async function openFilesystemStore(path: string, options: StagingOptions = {}): Promise<BlobStore> {
  const folder = resolve(path)
  const folders = createFolders(folder)
  let staged
  try {
    staged = await openStaging(folder, options)
    const prefixes = PREFIXES.map((prefix) => join(folder, prefix))
    for (const prefix of prefixes) await mkdir(prefix, { recursive: true })
    if (!options.asVisitor) await checkRights(folder, prefixes)
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
    stage() {
      if (!existsSync(staging)) makeAgain(folder, PREFIXES, staging)
      return join(staging, randomUUID())
    },

    async put(stagedPath, key, { synced = false, canBeMadeAgain = false, storedAt } = {}) {
      try {
        if (storedAt !== undefined) await utimes(stagedPath, storedAt / 1000, storedAt / 1000)
        // A shared folder may lie on another machine, whose crash nobody here would hear of.
        const durably = options.isShared || !canBeMadeAgain
        if (durably && !synced) await sync(stagedPath)
        const target = join(folder, key)
        await moveTo(target, stagedPath, folders.forget)
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
      const stream = createReadStream(join(folder, key), { ...range, highWaterMark: READ_BYTES, ...(range && { fs: exactFs }) })
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

    async readRunId() {
      try {
        return (await readFile(join(folder, RUN_FILE), 'utf8')).trim() || null
      } catch (error) {
        if (isMissing(error)) return null
        throw toCalotypeError(error)
      }
    },

    async writeRunId(id) {
      const written = join(staging, randomUUID())
      try {
        await writeFile(written, `${id}\n`, { flush: true })
        await rename(written, join(folder, RUN_FILE))
        await sync(folder)
      } catch (error) {
        await rm(written, { force: true })
        throw toCalotypeError(error)
      }
    },

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
