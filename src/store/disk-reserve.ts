// Room on the disk that is kept for the day it is full: files that take it up until then, and are given up so that deleting works.
import { randomFillSync } from 'node:crypto'
import { closeSync, existsSync, openSync, realpathSync, statfsSync, statSync, truncateSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CalotypeError } from '../errors.ts'
import type { Logger } from '../log.ts'

export interface DiskReserve {
  /** Frees its room, if that is still taken up. False where there is no reserve, given up or not. */
  giveUp(): boolean
  /** The same if the disk has less than 4 MiB left: enough for a start or a stop, which write little. */
  giveUpIfFull(): void
  /**
   * Rejects with `storage_full` while the reserve is given up and there is no room to make it again. Looks at the disk at most once a
   * second.
   */
  check(): Promise<void>
  /** Makes it where it is missing and there is room for twice its size, of which the other half stays free. Never rejects. */
  keep(): Promise<void>
}

const RESERVE_BYTES = 32 * 2 ** 20
const PIECE_BYTES = 2 ** 20
/** What the database needs for its write-ahead log, the index of that, and a checkpoint. */
const FULL_BYTES = 4 * 2 ** 20
const LOOK_EVERY_MS = 1_000
const NAME = 'calotype.reserve'

/** Where bytes lie elsewhere than on a disk of this server's own. */
export const NO_RESERVE: DiskReserve = {
  giveUp: () => false,
  giveUpIfFull: () => undefined,
  check: async () => undefined,
  keep: async () => undefined,
}

/**
 * The reserve of DATA_DIR: 32 MiB on its disk and, where `databaseFile` leads to another one, 32 MiB on that too. Given up, its file is
 * there and empty, so that every process knows; a disk that never had room for one has no file, and nothing is refused for it.
 */
export function openDiskReserve({ dataDir, databaseFile, log }: { dataDir: string; databaseFile: string; log: Logger }): DiskReserve {
  // Looked at anew: at the first start neither the folder nor the database is there yet.
  const folders = () => {
    const database = existsSync(databaseFile) ? dirname(realpathSync(databaseFile)) : dataDir
    const found = [dataDir, database].filter((folder) => existsSync(folder))
    return [...new Map(found.map((folder) => [statSync(folder).dev, folder])).values()]
  }
  const free = (folder: string) => {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  }
  /** Null where there is none. */
  const sizeIn = (folder: string) => statSync(join(folder, NAME), { throwIfNoEntry: false })?.size ?? null

  function giveUp(): boolean {
    const sizes = folders().map((folder) => ({ folder, size: sizeIn(folder) }))
    for (const { folder, size } of sizes) {
      if (size === null || size === 0) continue
      truncateSync(join(folder, NAME))
      // Some file systems free the room of a file only once it is synced, or closed.
      closeSync(openSync(join(folder, NAME), 'r'))
      lookedAt = -Infinity
      log.warn(
        { folder },
        'the disk is full: its reserve of 32 MiB was given up so that deleting works, and uploads are refused until 64 MiB are free. ' +
          'Delete images (on the page, or all of them by `calotype images delete --all`), or give the disk more room',
      )
    }
    return sizes.some(({ size }) => size !== null)
  }

  async function make(folder: string): Promise<void> {
    if (free(folder) < 2 * RESERVE_BYTES) return
    const made = join(folder, `${NAME}.new`)
    try {
      const file = await open(made, 'w')
      try {
        // Not zeros, which some file systems keep for nothing.
        const piece = randomFillSync(Buffer.alloc(PIECE_BYTES))
        for (let at = 0; at < RESERVE_BYTES; at += PIECE_BYTES) await file.write(piece, 0, PIECE_BYTES, at)
      } finally {
        await file.close()
      }
      await rename(made, join(folder, NAME))
    } catch (error) {
      log.warn({ err: error, folder }, 'the reserve of the disk could not be made')
      await rm(made, { force: true }).catch(() => undefined)
    }
  }

  let keeping: Promise<void> | null = null
  const keep = () =>
    (keeping ??= Promise.all(
      folders()
        .filter((folder) => sizeIn(folder) !== RESERVE_BYTES)
        .map(make),
    )
      .then(() => undefined)
      .finally(() => (keeping = null)))

  const isGivenUp = () => folders().some((folder) => sizeIn(folder) === 0)
  async function look(): Promise<boolean> {
    if (!isGivenUp()) return false
    await keep()
    return isGivenUp()
  }
  let lookedAt = -Infinity
  let isRefusing: Promise<boolean> = Promise.resolve(false)

  return {
    giveUp,
    giveUpIfFull() {
      if (folders().some((folder) => free(folder) < FULL_BYTES)) giveUp()
    },
    async check() {
      if (performance.now() - lookedAt > LOOK_EVERY_MS) {
        lookedAt = performance.now()
        isRefusing = look()
      }
      if (await isRefusing) throw new CalotypeError('storage_full')
    },
    keep,
  }
}
