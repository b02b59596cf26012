// The bucket behind the S3 store: its client, how long it may take to answer, and what its refusals mean.
import { createHash } from 'node:crypto'
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { CalotypeError, StartError } from '../../errors.ts'

export interface S3Settings {
  /** `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`: the bucket comes behind it, as path. */
  endpoint: string
  bucket: string
  region: string
  accessKeyId: string
  secretAccessKey: string
}

export interface S3Bucket {
  readonly name: string
  /** Whether the ETag of an object put in one piece is its MD5, as it is nearly everywhere. */
  readonly etagIsMd5: boolean
  /**
   * Sends one command, again if need be: five attempts, with backoff (the SDK's standard mode). `bytes` is what it sends or gets
   * beside the headers, and gives it more time. Rejects with CalotypeError only, its `cause` what the SDK threw:
   * `storage_unavailable` for what passes (no answer, 5xx, SlowDown), `internal` for what doesn't.
   */
  ask<T>(work: (client: S3Client, options: RequestOptions) => Promise<T>, bytes?: number): Promise<T>
  close(): void
}

interface RequestOptions {
  abortSignal: AbortSignal
  requestTimeout: number
}

const CONNECT_TIMEOUT_MS = 5_000
const ATTEMPTS = 5
/** However many attempts it makes, a command takes no longer than this many times what one of them may take. */
const ATTEMPTS_THAT_TIME_OUT = 3
/** 100 KB/s: a body that crosses more slowly is given up. */
const SLOWEST_BYTES_PER_MS = 100
const RETRY_AFTER_SECONDS = 5

const CHECK_KEY = 'calotype-start-check'

/** What S3 calls a body that is not what its headers say, and `badAnswer` what it says it has. */
const DAMAGED = ['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody', 'BadAnswer']
/** Said with a status of our fault, but may be right the next time. */
const PASSING = [...DAMAGED, 'RequestTimeout', 'OperationAborted', 'TooManyRequests', 'SlowDown', 'Throttling', 'ThrottlingException']

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes)

/**
 * Opens the bucket and shows that these keys may write, list and delete in it. Without the right to list, S3 calls what is missing
 * forbidden. Throws StartError naming the setting to look at. `answerTimeoutMs`: how long S3 may be silent.
 */
export async function openBucket(settings: S3Settings, answerTimeoutMs: number): Promise<S3Bucket> {
  const client = createClient(settings, 'S3_ENDPOINT', answerTimeoutMs)
  const ask: S3Bucket['ask'] = async (work, bytes = 0) => {
    const requestTimeout = answerTimeoutMs + bytes / SLOWEST_BYTES_PER_MS
    const deadline = new AbortController()
    // Cleared once the headers are there: the signal would end a body that is still being read.
    const timer = setTimeout(() => deadline.abort(), requestTimeout * ATTEMPTS_THAT_TIME_OUT)
    try {
      return await work(client, { abortSignal: deadline.signal, requestTimeout })
    } catch (error) {
      throw toStorageError(error)
    } finally {
      clearTimeout(timer)
    }
  }
  try {
    const Bucket = settings.bucket
    const bytes = Buffer.from('Calotype may write here.')
    const ContentMD5 = md5(bytes).digest('base64')
    const put = await ask((s3, options) => s3.send(new PutObjectCommand({ Bucket, Key: CHECK_KEY, Body: bytes, ContentMD5 }), options))
    await ask((s3, options) => s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }), options))
    await ask((s3, options) => s3.send(new DeleteObjectCommand({ Bucket, Key: CHECK_KEY }), options))
    const etagIsMd5 = put.ETag === `"${md5(bytes).digest('hex')}"`
    return { name: Bucket, etagIsMd5, ask, close: () => client.destroy() }
  } catch (error) {
    client.destroy()
    throw toStartError((error as CalotypeError).cause, settings)
  }
}

/** `setting`: the one that the endpoint comes from. Throws StartError naming what is wrong. */
export function createClient(
  { endpoint, region, accessKeyId, secretAccessKey }: S3Settings,
  setting: 'S3_ENDPOINT' | 'S3_PUBLIC_ENDPOINT',
  answerTimeoutMs = 0,
): S3Client {
  if (!/^https?:[/][/]/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new StartError(`${setting} is "${endpoint}"; it must be a URL like http://127.0.0.1:9000.`)
  }
  for (const [name, value] of Object.entries({ S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey })) {
    if (value === '') throw new StartError(`${name} is missing: set it to the key that ${endpoint} knows.`)
  }
  // Both time limits would run while a request waits for a socket: none waits, as the store bounds its requests itself.
  const agent = { keepAlive: true, maxSockets: Infinity }
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    // Otherwise bodies go in chunks with trailers, which servers that don't know them store as if they were the bytes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Asking first would cost every larger put a round trip and a connection of its own.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: answerTimeoutMs,
      throwOnRequestTimeout: true,
      // Of silence: it also ends a body that stops arriving.
      socketTimeout: answerTimeoutMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
  // The one command where a checksum is required. Every server knows Content-MD5, not every one the CRC32 the SDK sends.
  client.middlewareStack.add(
    (next, context) => (args) => {
      const request = args.request as { headers: Record<string, string>; body?: string | Uint8Array }
      if (context.commandName === 'DeleteObjectsCommand' && request.body !== undefined) {
        for (const header of Object.keys(request.headers)) if (/^x-amz-(sdk-)?checksum-/i.test(header)) delete request.headers[header]
        request.headers['content-md5'] = md5(Buffer.from(request.body)).digest('base64')
      }
      return next(args)
    },
    { step: 'build', priority: 'low', name: 'md5OfDeletes' },
  )
  return client
}

/** The name S3 gives an error, `NoSuchKey`, of one that `ask` rejected with. */
export const s3Code = (error: unknown) => (error instanceof CalotypeError ? (error.cause as Error | undefined)?.name : undefined)

/** Whether S3 has, or would have had, other bytes than were sent. */
export const isDamage = (error: unknown) => DAMAGED.includes(s3Code(error) ?? '')

/** What the SDK threw, or what a body broke with, in our codes. */
export function toStorageError(error: unknown): CalotypeError {
  if (error instanceof CalotypeError) return error
  const { name, code, $metadata } = (error ?? {}) as { name?: string; code?: unknown; $metadata?: { httpStatusCode?: number } }
  const status = $metadata?.httpStatusCode
  const options = { cause: error, retryAfterSeconds: RETRY_AFTER_SECONDS }
  if (name === 'InvalidRange') return new CalotypeError('range_not_satisfiable', undefined, { cause: error })
  if (status === 507) return new CalotypeError('storage_full', undefined, { cause: error })
  const withoutAnswer = typeof code === 'string' || name === 'TimeoutError' || name === 'AbortError'
  const answered =
    status !== undefined && (status < 400 || status >= 500 || status === 408 || status === 429 || PASSING.includes(name ?? ''))
  if (answered || (status === undefined && withoutAnswer)) return new CalotypeError('storage_unavailable', undefined, options)
  return new CalotypeError('internal', undefined, { cause: error })
}

/** An answer that is not what was asked for, though S3 said nothing of an error: never taken for it. */
export const badAnswer = (what: string) =>
  new CalotypeError('storage_unavailable', undefined, {
    cause: Object.assign(new Error(what), { name: 'BadAnswer' }),
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  })

function toStartError(cause: unknown, { endpoint, bucket, region, accessKeyId }: S3Settings): StartError {
  const { name, message, $metadata } = (cause ?? {}) as { name?: string; message?: string; $metadata?: { httpStatusCode?: number } }
  const says = (sentence: string) => new StartError(sentence, { cause })
  switch (name) {
    case 'NoSuchBucket':
    case 'InvalidBucketName':
      return says(`S3_BUCKET: there is no bucket "${bucket}" at ${endpoint}. Create it, or name another.`)
    case 'InvalidAccessKeyId':
      return says(`S3_ACCESS_KEY_ID: ${endpoint} does not know "${accessKeyId}".`)
    case 'SignatureDoesNotMatch':
      return says(`S3_SECRET_ACCESS_KEY is not the secret of S3_ACCESS_KEY_ID "${accessKeyId}" at ${endpoint}.`)
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return says(`S3_REGION is "${region}", but bucket "${bucket}" at ${endpoint} is in another region (${message}).`)
    case 'RequestTimeTooSkewed':
      return says(`S3_ENDPOINT: ${endpoint} refuses requests because the clock of this machine is wrong. Set it.`)
  }
  if ($metadata?.httpStatusCode === 403) {
    return says(`S3_ACCESS_KEY_ID "${accessKeyId}" must be allowed to list bucket "${bucket}" and to write and delete in it (${message}).`)
  }
  const isSilent = name === 'TimeoutError' || name === 'AbortError'
  return says(`S3_ENDPOINT: ${endpoint} does not answer as S3 does (${isSilent ? 'it is silent' : message || name}).`)
}
