// A staged file on its way into the bucket: whole or in parts, each piece shown to have arrived as it was sent.
import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import type { Semaphore } from '../../concurrency/semaphore.ts'
import type { Logger } from '../../log.ts'
import { badAnswer, isDamage, s3Code, type S3Bucket } from './s3-bucket.ts'

const MIB = 1024 * 1024
/** Larger files go in parts; S3 itself would take 5 GB in one. */
const MAX_WHOLE_BYTES = 16 * MIB
/** S3 wants 5 MiB at least, and 10,000 parts at most. */
const PART_BYTES = 8 * MIB
const PARTS_AT_ONCE = 4

/** A piece that arrives damaged is sent this many times in all. */
const ATTEMPTS = 3

export interface Uploading {
  bucket: S3Bucket
  /** Bounds requests in flight, one each. */
  requests: Semaphore
  /** Bounds the bytes held in memory. A piece is held, not streamed, so that it can be hashed first and sent again. */
  memory: Semaphore
  log: Logger | undefined
}

interface Piece {
  bytes: Buffer
  /** Hex and base64. */
  md5: string
  contentMd5: string
}

/** Metadata of an object: milliseconds since 1970. S3's own time has seconds only, and is by a clock of its own. */
const STORED_AT = 'calotype-stored-at'

/** What `uploadFile` was told; undefined if it was not. */
export function storedAtOf({ Metadata }: { Metadata?: Record<string, string> | undefined }): number | undefined {
  const told = Metadata?.[STORED_AT]
  return told !== undefined && /^\d{1,15}$/.test(told) ? Number(told) : undefined
}

/**
 * Stores a local file under `key`; on return S3 has confirmed all of it. A failed upload in parts is aborted. `storedAt` goes along, for
 * `storedAtOf`.
 */
export async function uploadFile(uploading: Uploading, path: string, key: string, storedAt?: number): Promise<void> {
  const { size } = await stat(path)
  const object = { Bucket: uploading.bucket.name, Key: key, ...(storedAt !== undefined && { Metadata: { [STORED_AT]: String(storedAt) } }) }
  if (size > MAX_WHOLE_BYTES) return uploadInParts(uploading, path, size, object)
  await sendPiece(uploading, path, 0, size, ({ bytes, contentMd5 }) =>
    uploading.bucket.ask((s3, options) => s3.send(new PutObjectCommand({ ...object, Body: bytes, ContentMD5: contentMd5 }), options), size),
  )
}

interface NewObject {
  Bucket: string
  Key: string
  Metadata?: Record<string, string>
}

async function uploadInParts(uploading: Uploading, path: string, size: number, object: NewObject) {
  const { bucket, requests, log } = uploading
  const { Bucket, Key: key } = object
  const created = await requests.run(1, () => bucket.ask((s3, options) => s3.send(new CreateMultipartUploadCommand(object), options)))
  const upload = { Bucket, Key: key, UploadId: created.UploadId }
  try {
    const Parts = await sendParts(uploading, path, size, upload)
    await requests.run(1, async () => {
      await bucket
        .ask((s3, options) => s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }), options))
        .catch((error: unknown) => {
          // Completed before, when only the answer was lost. Whether it was, the size tells.
          if (s3Code(error) !== 'NoSuchUpload') throw error
        })
      await confirmSize(bucket, key, size)
    })
  } catch (error) {
    await requests
      .run(1, () => bucket.ask((s3, options) => s3.send(new AbortMultipartUploadCommand(upload), options)))
      .catch((left: unknown) => log?.warn({ err: left, key }, 'parts of a failed upload are left in the bucket'))
    throw error
  }
}

async function sendParts(
  uploading: Uploading,
  path: string,
  size: number,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
): Promise<CompletedPart[]> {
  const parts: CompletedPart[] = []
  const places = Array.from({ length: Math.ceil(size / PART_BYTES) }).keys()
  // All have ended before the upload is aborted: a part that comes later would stay.
  await forEachConcurrent(PARTS_AT_ONCE, places, async (at) => {
    const start = at * PART_BYTES
    const length = Math.min(PART_BYTES, size - start)
    const PartNumber = at + 1
    const { ETag } = await sendPiece(uploading, path, start, length, ({ bytes, contentMd5 }) =>
      uploading.bucket.ask(
        (s3, options) => s3.send(new UploadPartCommand({ ...upload, PartNumber, Body: bytes, ContentMD5: contentMd5 }), options),
        length,
      ),
    )
    parts[at] = { PartNumber, ETag }
  })
  return parts
}

/**
 * Reads a piece, sends it and compares. A server that knows Content-MD5, or the SHA-256 that is signed with each request, refuses
 * what arrives damaged; one that knows neither (s3rver) says by its ETag what it has. Damaged bytes are sent again.
 */
async function sendPiece<Answer extends StoredPiece>(
  { bucket, requests, memory, log }: Uploading,
  path: string,
  start: number,
  length: number,
  send: (piece: Piece) => Promise<Answer>,
): Promise<Answer> {
  return memory.run(length, async () => {
    const bytes = await readPiece(path, start, length)
    const digest = createHash('md5').update(bytes).digest()
    const piece = { bytes, md5: digest.toString('hex'), contentMd5: digest.toString('base64') }
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await requests.run(1, () => send(piece))
        const stored = bucket.etagIsMd5 ? md5Of(answer) : null
        if (stored === null || stored === piece.md5) return answer
        throw badAnswer(`S3 has bytes with MD5 ${stored} where ${piece.md5} was sent`)
      } catch (error) {
        if (!isDamage(error) || attempt === ATTEMPTS) throw error
        log?.warn({ err: error, path, start, attempt }, 'a piece arrived damaged in S3 and is sent again')
      }
    }
  })
}

/** The parts of an answer that tell of the bytes S3 has. */
export interface StoredPiece {
  ETag?: string | undefined
  ServerSideEncryption?: string | undefined
  SSECustomerAlgorithm?: string | undefined
}

/** The MD5 in an ETag, hex; null where it is none: of what came in parts, or is encrypted with keys of its own (by S3's documentation). */
export function md5Of({ ETag, ServerSideEncryption = 'AES256', SSECustomerAlgorithm }: StoredPiece): string | null {
  if (ServerSideEncryption !== 'AES256' || SSECustomerAlgorithm !== undefined) return null
  return /^"?([0-9a-f]{32})"?$/.exec(ETag ?? '')?.[1] ?? null
}

async function readPiece(path: string, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  const file = await open(path, 'r')
  try {
    for (let at = 0; at < length;) {
      const { bytesRead } = await file.read(bytes, at, length - at, start + at)
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was stored`)
      at += bytesRead
    }
  } finally {
    await file.close()
  }
  return bytes
}

const CONFIRM_DELAYS_MS = [0, 50, 200, 1_000]

/** Some servers answer an instant before the joined object is all there. */
async function confirmSize(bucket: S3Bucket, key: string, size: number) {
  let found: number | undefined
  for (const delayMs of CONFIRM_DELAYS_MS) {
    await wait(delayMs)
    const head = await bucket.ask((s3, options) => s3.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }), options))
    found = head.ContentLength
    if (found === size) return
  }
  throw badAnswer(`S3 has ${found} bytes under ${key} where ${size} were sent`)
}
