// The stable codes of the wire contract, and all that is true of each.

interface Traits {
  /** Of the answer over HTTP. */
  status: number
  /** What went wrong and what to do next, for the places that have nothing more exact to say. */
  error: string
  /** Nothing is wrong with the request or the image: the same, later, may go well. Work that fails with it is retried until it succeeds. */
  isPassing?: boolean
  /** An image that failed for it is developed again when its bytes are uploaded once more. */
  isRetriedByUpload?: boolean
  /** The original itself is gone: nothing that was made of it is worth anything. */
  isLoss?: boolean
}

const TABLE = {
  bad_request: { status: 400, error: 'The request could not be understood. Check its parameters against the API description.' },
  no_file: { status: 400, error: 'No file was sent. Send at least one file in the multipart field this endpoint takes.' },
  wrong_field: { status: 400, error: 'The file came in a field this endpoint does not take.' },
  one_file_only: { status: 400, error: 'This endpoint takes one file. Send several to /api/async/upload or /api/async/batch/upload.' },
  too_many_fields: { status: 400, error: 'The form has too many fields beside its files. Send only what this endpoint takes.' },
  malformed_multipart: {
    status: 400,
    error: 'The multipart body could not be read: it is cut off or not well formed. Send it again, whole.',
  },
  empty_file: { status: 400, error: 'The file is empty. Choose a file with something in it.' },
  unauthorized: { status: 401, error: 'Sign in first, or send an API key as Authorization: Bearer.' },
  wrong_password: { status: 401, error: 'The e-mail address or the password is wrong.' },
  forbidden: { status: 403, error: 'You are not allowed to do this.' },
  setup_link_invalid: {
    status: 403,
    error:
      'This set-up link was used, is too old, or was never given out. A restart of the server prints a new one while nobody has an account.',
  },
  email_taken: { status: 409, error: 'There is an account with this e-mail address already.' },
  last_admin: { status: 409, error: 'This is the last administrator: make somebody else one first.' },
  too_many_attempts: {
    status: 429,
    error:
      'There were too many failed attempts. Try again after the time in Retry-After, or from a browser that you have signed in with before.',
  },
  too_many_requests: { status: 429, error: 'There were too many requests in a minute. Try again after the time in Retry-After.' },
  quota_exceeded: {
    status: 429,
    error: 'This is more than you may upload in a day. Try again after the time in Retry-After, when the next day begins (UTC).',
  },
  origin_not_allowed: { status: 403, error: 'This origin may not use the API. Add it to CORS_ORIGINS.' },
  host_not_allowed: {
    status: 421,
    error: 'This server does not go by that name. Ask it as localhost or by its address, or add the name to ALLOWED_HOSTS.',
  },
  not_found: { status: 404, error: 'There is nothing at this address.' },
  method_not_allowed: { status: 405, error: 'This address does not take that method.' },
  upload_timeout: { status: 408, error: 'The body stopped arriving. Send it again.' },
  idempotency_conflict: { status: 409, error: 'This Idempotency-Key was used with other content. Choose a new key for new content.' },
  count_changed: {
    status: 409,
    error: 'There are many more images by now than were confirmed. Look at what is selected, and confirm it again.',
  },
  not_retryable: { status: 409, error: 'Only an image that ended in error can be retried.' },
  batch_cancelled: { status: 409, error: 'This batch was cancelled. Declare a new one to send its files.' },
  too_many_open_batches: {
    status: 409,
    error: 'There are too many batches that still wait for files. Send their files or cancel some, then declare this one again.',
  },
  batch_expired: { status: 409, error: 'This batch was not completed in time and has expired. Declare a new one for what is missing.' },
  still_arriving: { status: 409, error: 'This upload is still arriving. End its request to cancel it.' },
  not_declared: {
    status: 400,
    error: 'The file has no place in this batch. Send its index in the declaration in a field "index" before each file.',
  },
  declaration_mismatch: {
    status: 400,
    error: 'The file is not the one that was declared: its size or its content differs. Declare it anew, as it is now.',
  },
  file_too_large: { status: 413, error: 'The file is larger than this server takes.' },
  too_many_files: { status: 413, error: 'There are more files in one request than this server takes. Send them in several requests.' },
  names_too_long: { status: 413, error: 'The names of these files are too long. Send shorter names, or fewer files in one request.' },
  unsupported_format: { status: 415, error: 'The file is not an image of a format taken here: JPEG, PNG, WebP, AVIF or GIF.' },
  not_multipart: { status: 415, error: 'Send the file as multipart/form-data.' },
  not_json: { status: 415, error: 'Send the body as application/json.' },
  unsupported_encoding: { status: 415, error: 'The body is compressed. Send it without Content-Encoding.' },
  range_not_satisfiable: { status: 416, error: 'The range lies outside the file.' },
  invalid_image: { status: 422, error: 'The image is damaged and could not be decoded. Check the file and upload it again.' },
  image_too_large: { status: 422, error: 'The image has more pixels, or a longer side, than this server develops.' },
  metadata_too_large: { status: 422, error: 'The image carries more than 5 MiB of metadata. Save it without, and upload it again.' },
  too_many_frames: { status: 422, error: 'The animation has more frames than this server develops.' },
  no_still_image: {
    status: 422,
    error:
      'This AVIF is an animation without a still image, which this server can not develop yet. Save it as an animated WebP or GIF, or as a still AVIF, and upload that.',
  },
  not_enough_memory: {
    status: 422,
    error: 'Developing this image takes more memory than this server has for it. Make it smaller, or give the server more.',
    isRetriedByUpload: true,
  },
  processing_crashed: { status: 422, error: 'The image crashed the decoder three times and was given up.', isRetriedByUpload: true },
  processing_timeout: { status: 422, error: 'The image took too long to develop and was given up.', isRetriedByUpload: true },
  original_missing: {
    status: 500,
    error: 'The original is missing from the store. Upload the file again.',
    isRetriedByUpload: true,
    isLoss: true,
  },
  original_damaged: {
    status: 500,
    error: 'The original in the store is no longer what was uploaded. Upload the file again.',
    isRetriedByUpload: true,
    isLoss: true,
  },
  rendition_missing: {
    status: 500,
    error:
      'The developed image is missing from the store. It can be made again from its original: the administrator of the server runs calotype doctor --repair.',
  },
  internal: { status: 500, error: 'Something went wrong in the server. Try again; its log has the cause.', isRetriedByUpload: true },
  overloaded: { status: 503, error: 'Too much work is waiting. Try again after the time in Retry-After.', isPassing: true },
  shutting_down: { status: 503, error: 'The server is stopping. Try again in a few seconds.', isPassing: true },
  processing_unavailable: {
    status: 503,
    error: 'No image can be processed at the moment. Those that were uploaded wait; the log of the server has the cause.',
    isPassing: true,
  },
  storage_unavailable: {
    status: 503,
    error: 'The store of the images does not answer. Try again after the time in Retry-After.',
    isPassing: true,
  },
  database_unavailable: {
    status: 503,
    error: 'The database can not be reached just now. Nothing was taken; try again after the time in Retry-After.',
    isPassing: true,
  },
  database_damaged: {
    status: 500,
    error: 'The database of the server is damaged, and nothing was taken. The log of the server says what its operator can do.',
  },
  storage_full: {
    status: 507,
    error:
      'The disk of the server is full, and nothing was kept. Make room by deleting images, which works on a full disk, or by a larger disk; then try again.',
    isPassing: true,
  },
} satisfies Record<string, Traits>

export type ErrorCode = keyof typeof TABLE

export const TRAITS: Record<ErrorCode, Traits> = TABLE
export const ERROR_CODES = Object.keys(TABLE) as [ErrorCode, ...ErrorCode[]]

/** The sentence of each code. */
export const ERRORS = Object.fromEntries(ERROR_CODES.map((code) => [code, TABLE[code].error])) as Record<ErrorCode, string>

export const codesThat = (trait: 'isPassing' | 'isRetriedByUpload' | 'isLoss'): ErrorCode[] =>
  ERROR_CODES.filter((code) => TRAITS[code][trait])
