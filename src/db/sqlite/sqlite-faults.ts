// What SQLite says when its file is not as it must be: as codes that `errors.ts` knows, and as sentences with their remedies for a start.
import { DAMAGE_REMEDIES, StartError } from '../../errors.ts'

export type SqliteFault = 'ENOSPC' | 'SQLITE_CORRUPT' | 'SQLITE_UNAVAILABLE'

const IOERR_SHMSIZE = 4_874
// The low byte of an extended code is its kind: https://sqlite.org/rescode.html
const FAULTS: Record<number, SqliteFault> = {
  // SQLITE_BUSY: another process holds it for longer than the timeout.
  5: 'SQLITE_UNAVAILABLE',
  // SQLITE_READONLY
  8: 'SQLITE_UNAVAILABLE',
  // SQLITE_IOERR
  10: 'SQLITE_UNAVAILABLE',
  11: 'SQLITE_CORRUPT',
  // SQLITE_FULL
  13: 'ENOSPC',
  // SQLITE_CANTOPEN
  14: 'SQLITE_UNAVAILABLE',
  // SQLITE_NOTADB
  26: 'SQLITE_CORRUPT',
}

/** Undefined for what is a fault of the statement. */
export function faultOf(errcode: number | undefined): SqliteFault | undefined {
  if (errcode === undefined) return undefined
  // The index of the write-ahead log has no room on a full disk.
  return errcode === IOERR_SHMSIZE ? 'ENOSPC' : FAULTS[errcode & 0xff]
}

/** For whoever opens the database, or works on it by a command. Any other error stays what it is. */
export function toStartError(error: unknown): unknown {
  const { code, message, path } = error as { code?: unknown; message: string; path?: string }
  if (code === 'SQLITE_CORRUPT') return new StartError(`The database ${path} is damaged (${message}). ${DAMAGE_REMEDIES}`, { cause: error })
  if (code !== 'SQLITE_UNAVAILABLE') return error
  return new StartError(
    `The database ${path} can't be used (${message}). It has to be a file that this user may read and write, with its folder, ` +
      'on a disk that works, and that no other program holds.',
    { cause: error },
  )
}
