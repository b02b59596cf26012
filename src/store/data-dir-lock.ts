// One server to a DATA_DIR: a lock that the kernel frees when its holder dies, however it dies.
import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StartError, toCalotypeError } from '../errors.ts'

export interface ServerInfo {
  pid: number
  /** Where it listens; missing until it does. */
  url?: string
}

export interface DataDirLock {
  /** Whether the last holder ended without releasing it. */
  readonly afterCrash: boolean
  /** Tells other processes where the holder listens. */
  announce(url: string): void
  /** Safe to call twice. */
  release(): void
}

// Node has no flock, but SQLite locks files by fcntl. No page of this database is ever written: its file stays empty.
const lockFile = (dataDir: string) => join(dataDir, 'lock.sqlite')
const infoFile = (dataDir: string) => join(dataDir, 'server.json')

// Looking whether the lock is held takes it for an instant; a start at that instant waits for it.
const LOCK_WAIT_MS = 200
const SQLITE_BUSY = 5

// Kept here as well as by whoever asked: a handle that is garbage-collected gives its lock away.
const held = new Set<DatabaseSync>()

/** The lock, held until the handle is closed, or null when another process holds it. */
function takeLock(dataDir: string, waitMs: number): DatabaseSync | null {
  const db = new DatabaseSync(lockFile(dataDir), { timeout: waitMs })
  try {
    // A journal on disk would need room there, and stay behind when the holder is killed. Node's SQLite ignores OFF.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null
    throw error
  }
}

function readInfo(dataDir: string): ServerInfo | null {
  try {
    const info: { pid?: unknown; url?: unknown } | null = JSON.parse(readFileSync(infoFile(dataDir), 'utf8'))
    return typeof info?.pid === 'number' ? { pid: info.pid, ...(typeof info.url === 'string' && { url: info.url }) } : null
  } catch {
    return null
  }
}

/**
 * Takes DATA_DIR for this process, making the folder if need be; nothing a killed server left stands in the way. Throws
 * StartError, with the PID of the holder when another process has it, or when the folder cannot be written.
 */
export function lockDataDir(dataDir: string, info: ServerInfo): DataDirLock {
  const db = openDataDir(dataDir)
  if (!db) {
    const pid = readInfo(dataDir)?.pid
    throw new StartError(
      `Another Calotype${pid ? ` (PID ${pid})` : ''} works on DATA_DIR ${dataDir}. Stop it, or set DATA_DIR to another folder.`,
    )
  }
  const write = (current: ServerInfo) => {
    // Renamed into place, so that a reader never sees half of it.
    try {
      writeFileSync(`${infoFile(dataDir)}.new`, JSON.stringify(current))
      renameSync(`${infoFile(dataDir)}.new`, infoFile(dataDir))
    } catch (error) {
      throw toStartError(dataDir, error)
    }
  }
  const afterCrash = readInfo(dataDir) !== null
  try {
    write(info)
  } catch (error) {
    db.close()
    throw error
  }
  held.add(db)
  return {
    afterCrash,
    announce: (url) => write({ ...info, url }),
    release() {
      if (!held.delete(db)) return
      rmSync(infoFile(dataDir), { force: true })
      db.close()
    },
  }
}

function openDataDir(dataDir: string): DatabaseSync | null {
  try {
    mkdirSync(dataDir, { recursive: true })
    accessSync(dataDir, constants.W_OK | constants.X_OK)
    return takeLock(dataDir, LOCK_WAIT_MS)
  } catch (error) {
    throw toStartError(dataDir, error)
  }
}

function toStartError(dataDir: string, cause: unknown): StartError {
  if (toCalotypeError(cause).code === 'storage_full') {
    return new StartError(
      `The disk of DATA_DIR ${dataDir} is full. Make some room by removing other files from it, or give it more; ` +
        'then delete images on the page, or all of them by `calotype images delete --all`.',
      { cause },
    )
  }
  return new StartError(`DATA_DIR ${dataDir} cannot be used as a folder to write to: ${(cause as Error).message}.`, { cause })
}

/** The server that holds DATA_DIR now, or null when none does. */
export function readServerInfo(dataDir: string): ServerInfo | null {
  const info = readInfo(dataDir)
  if (!info) return null
  const db = takeLock(dataDir, 0)
  db?.close()
  return db ? null : info
}
