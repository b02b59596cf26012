// Every error a person or a program can meet: one class, with a code.
import { ERRORS, type ErrorCode } from './error-codes.ts'

/** What an operator does about `database_damaged`, where the database is a file. */
export const DAMAGE_REMEDIES =
  'Delete nothing in DATA_DIR: the originals in it are whole, and no other database knows them. Copy calotype.sqlite, with -wal and -shm, ' +
  'aside. Then put the newest backup back by `calotype restore`, in a new DATA_DIR, and run `calotype doctor` there; without a backup, ' +
  'recover the rows by `sqlite3 calotype.sqlite .recover`.'

export interface ErrorOptions {
  /** What the server should know and the client should not. */
  cause?: unknown
  /** Seconds after which it makes sense to try again; becomes `Retry-After`. */
  retryAfterSeconds?: number
  details?: ErrorDetails
}

/** What the client is told beside the code and the sentence. */
export interface ErrorDetails {
  /** Every file of an upload of which none was taken, by its place in what was sent. */
  rejected?: { name: string; code: ErrorCode; error: string; index?: number }[]
}

/** The one error class: `code` is stable for programs, `message` is a sentence for a person. */
export class CalotypeError extends Error {
  override readonly name = 'CalotypeError'
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | undefined
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string = ERRORS[code], options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
    this.details = options.details ?? {}
  }
}

/** A setting, a folder or a port is not as it must be: the start ends with this sentence and no stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

// PostgreSQL: connection exceptions, too many connections, shutting down or starting up. What SQLite says of a file it can't use or get
// at (`db/sqlite/sqlite-faults.ts`). And what sockets and the pool say.
const UNAVAILABLE = /^(08...|53300|57P0[1-3]|SQLITE_UNAVAILABLE|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN)$/
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error)/
const UNAVAILABLE_RETRY_SECONDS = 5
const FOLDER_GONE =
  'The folder of the images is not there. Nothing was taken; its operator should look whether the disk of DATA_DIR is mounted.'

/** Translates what the file system and the databases say into our codes; anything unknown is `internal`, with its cause. */
export function toCalotypeError(error: unknown): CalotypeError {
  if (error instanceof CalotypeError) return error
  const { code: said, message: text } = (error ?? {}) as { code?: unknown; message?: unknown }
  const [code, message] = [typeof said === 'string' ? said : '', typeof text === 'string' ? text : '']
  // 53100 is PostgreSQL's disk_full.
  if (['ENOSPC', 'EDQUOT', '53100'].includes(code) || message.includes('disk is full')) {
    return new CalotypeError('storage_full', undefined, { cause: error })
  }
  // 22021 is PostgreSQL's character_not_in_repertoire: NUL in an id, as nobody ever got one from us.
  if (code === '22021') return new CalotypeError('bad_request', undefined, { cause: error })
  // A file that is looked for is asked about by whoever looks: here a folder of the store is gone.
  if (code === 'ENOENT')
    return new CalotypeError('storage_unavailable', FOLDER_GONE, { cause: error, retryAfterSeconds: UNAVAILABLE_RETRY_SECONDS })
  if (code === 'SQLITE_CORRUPT') return new CalotypeError('database_damaged', undefined, { cause: error })
  if (UNAVAILABLE.test(code) || UNAVAILABLE_MESSAGE.test(message)) {
    return new CalotypeError('database_unavailable', undefined, { cause: error, retryAfterSeconds: UNAVAILABLE_RETRY_SECONDS })
  }
  return new CalotypeError('internal', undefined, { cause: error })
}
