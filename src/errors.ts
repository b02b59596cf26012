// Every error a person or a program can meet: one class, one table of codes.

/**
 * The stable codes of the wire contract. The sentence says what went wrong and what to do next, for the places that have
 * nothing more exact to say; `http/hooks/problem.ts` gives each its status.
 */
export const ERRORS = {
  bad_request: 'The request could not be understood. Check its parameters against the API description.',
  no_file: 'No file was sent. Send at least one file in the multipart field this endpoint takes.',
  wrong_field: 'The file came in a field this endpoint does not take.',
  one_file_only: 'This endpoint takes one file. Send several to /api/async/upload or /api/async/batch/upload.',
  too_many_fields: 'The form has too many fields beside its files. Send only what this endpoint takes.',
  malformed_multipart: 'The multipart body could not be read: it is cut off or not well formed. Send it again, whole.',
  empty_file: 'The file is empty. Choose a file with something in it.',
  unauthorized: 'Sign in first, or send an API key as Authorization: Bearer.',
  wrong_password: 'The e-mail address or the password is wrong.',
  forbidden: 'You are not allowed to do this.',
  setup_link_invalid:
    'This set-up link was used, is too old, or was never given out. A restart of the server prints a new one while nobody has an account.',
  email_taken: 'There is an account with this e-mail address already.',
  last_admin: 'This is the last administrator: make somebody else one first.',
  too_many_attempts:
    'There were too many failed attempts. Try again after the time in Retry-After, or from a browser that you have signed in with before.',
  too_many_requests: 'There were too many requests in a minute. Try again after the time in Retry-After.',
  quota_exceeded: 'This is more than you may upload in a day. Try again after the time in Retry-After, when the next day begins (UTC).',
  origin_not_allowed: 'This origin may not use the API. Add it to CORS_ORIGINS.',
  host_not_allowed: 'This server does not go by that name. Ask it as localhost or by its address, or add the name to ALLOWED_HOSTS.',
  not_found: 'There is nothing at this address.',
  method_not_allowed: 'This address does not take that method.',
  upload_timeout: 'The body stopped arriving. Send it again.',
  idempotency_conflict: 'This Idempotency-Key was used with other content. Choose a new key for new content.',
  count_changed: 'There are many more images by now than were confirmed. Look at what is selected, and confirm it again.',
  not_retryable: 'Only an image that ended in error can be retried.',
  batch_cancelled: 'This batch was cancelled. Declare a new one to send its files.',
  too_many_open_batches:
    'There are too many batches that still wait for files. Send their files or cancel some, then declare this one again.',
  batch_expired: 'This batch was not completed in time and has expired. Declare a new one for what is missing.',
  still_arriving: 'This upload is still arriving. End its request to cancel it.',
  not_declared: 'The file has no place in this batch. Send its index in the declaration in a field "index" before each file.',
  declaration_mismatch: 'The file is not the one that was declared: its size or its content differs. Declare it anew, as it is now.',
  file_too_large: 'The file is larger than this server takes.',
  too_many_files: 'There are more files in one request than this server takes. Send them in several requests.',
  names_too_long: 'The names of these files are too long. Send shorter names, or fewer files in one request.',
  unsupported_format: 'The file is not an image of a format taken here: JPEG, PNG, WebP, AVIF or GIF.',
  not_multipart: 'Send the file as multipart/form-data.',
  not_json: 'Send the body as application/json.',
  unsupported_encoding: 'The body is compressed. Send it without Content-Encoding.',
  range_not_satisfiable: 'The range lies outside the file.',
  invalid_image: 'The image is damaged and could not be decoded. Check the file and upload it again.',
  image_too_large: 'The image has more pixels, or a longer side, than this server develops.',
  metadata_too_large: 'The image carries more than 5 MiB of metadata. Save it without, and upload it again.',
  too_many_frames: 'The animation has more frames than this server develops.',
  no_still_image:
    'This AVIF is an animation without a still image, which this server can not develop yet. Save it as an animated WebP or GIF, or as a still AVIF, and upload that.',
  not_enough_memory: 'Developing this image takes more memory than this server has for it. Make it smaller, or give the server more.',
  processing_crashed: 'The image crashed the decoder three times and was given up.',
  processing_timeout: 'The image took too long to develop and was given up.',
  original_missing: 'The original is missing from the store. Upload the file again.',
  original_damaged: 'The original in the store is no longer what was uploaded. Upload the file again.',
  rendition_missing:
    'The developed image is missing from the store. It can be made again from its original: the administrator of the server runs calotype doctor --repair.',
  internal: 'Something went wrong in the server. Try again; its log has the cause.',
  overloaded: 'Too much work is waiting. Try again after the time in Retry-After.',
  shutting_down: 'The server is stopping. Try again in a few seconds.',
  processing_unavailable: 'No image can be processed at the moment. Those that were uploaded wait; the log of the server has the cause.',
  storage_unavailable: 'The store of the images does not answer. Try again after the time in Retry-After.',
  database_unavailable: 'The database can not be reached just now. Nothing was taken; try again after the time in Retry-After.',
  database_damaged: 'The database of the server is damaged, and nothing was taken. The log of the server says what its operator can do.',
  storage_full:
    'The disk of the server is full, and nothing was kept. Make room by deleting images, which works on a full disk, or by a larger disk; then try again.',
} as const

/** What an operator does about `database_damaged`, where the database is a file. */
export const DAMAGE_REMEDIES =
  'Delete nothing in DATA_DIR: the originals in it are whole, and no other database knows them. Copy calotype.sqlite, with -wal and -shm, ' +
  'aside. Then put the newest backup back by `calotype restore`, in a new DATA_DIR, and run `calotype doctor` there; without a backup, ' +
  'recover the rows by `sqlite3 calotype.sqlite .recover`.'

export type ErrorCode = keyof typeof ERRORS
export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]

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
