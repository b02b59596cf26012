// Reads an original for who asks for it, and never hands out other bytes than were uploaded.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ErrorCode } from '../../error-codes.ts'
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import { type Image } from '../../image.ts'
import { originalKey } from '../../rendition/keys.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import type { BlobStore } from '../../store/blob-store.ts'

/** A file that the rows speak of and the store no longer has as it was. The doctor finds each of them as well. */
export interface Loss {
  code: Extract<ErrorCode, 'original_missing' | 'original_damaged' | 'rendition_missing'>
  image: Image
  key: string
}

export interface ReadOriginalDeps {
  images: Pick<ImageStore, 'get'>
  blobs: Pick<BlobStore, 'read' | 'stat'>
  /** Told of each loss that is met, for the log and the metrics. */
  onLoss(loss: Loss): void
}

export interface ByteRange {
  start: number
  end: number
}

/**
 * Bytes. Up to this an original is checked before its first byte is sent, so that a damaged one gets an answer that says so. It is read,
 * and hashed, in 2 ms; a larger one is checked while it is sent, so that nobody waits for it to be read twice.
 */
export const MAX_CHECKED_FIRST_BYTES = 1024 * 1024
/** Bytes of originals that wait in memory for slow clients, in all: beyond, small ones are checked while they are sent as well. */
const MAX_HELD_BYTES = 32 * 1024 * 1024

let heldBytes = 0

/**
 * The bytes of an original, or of a range of it. Rejects, before the first byte, with `not_found` if the image was deleted meanwhile, with
 * `original_missing`, and with `original_damaged` where that is known by then. A larger original whose SHA-256 is another breaks off
 * before its last bytes; of a range of one only the length is checked.
 */
export async function readOriginal(deps: ReadOriginalDeps, image: Image, range?: ByteRange): Promise<Readable> {
  if (image.size > MAX_CHECKED_FIRST_BYTES || heldBytes + image.size > MAX_HELD_BYTES) {
    const body = await open(deps, image, range)
    // One that breaks before it is read must not end the server; who reads it then hears of it.
    body.on('error', () => undefined)
    const sent = Readable.from(checked(deps, image, body, range), { objectMode: false })
    // A generator that never began has no end of its own.
    return sent.once('close', () => body.destroy())
  }
  heldBytes += image.size
  try {
    const chunks: Buffer[] = []
    for await (const chunk of checked(deps, image, await open(deps, image))) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const body = Readable.from([range ? bytes.subarray(range.start, range.end + 1) : bytes], { objectMode: false })
    return body.once('close', () => (heldBytes -= image.size))
  } catch (error) {
    heldBytes -= image.size
    throw error
  }
}

/** Rejects as `readOriginal` does, as far as the store knows without reading. */
export async function findOriginal(deps: ReadOriginalDeps, image: Image): Promise<void> {
  const found = await deps.blobs.stat(originalKey(image.sha256))
  if (found === null) throw await missing(deps, image)
  if (found.size !== image.size) throw damaged(deps, image)
}

async function open(deps: ReadOriginalDeps, image: Image, range?: ByteRange): Promise<Readable> {
  try {
    return await deps.blobs.read(originalKey(image.sha256), range)
  } catch (error) {
    throw error instanceof CalotypeError && error.code === 'not_found' ? await missing(deps, image) : toCalotypeError(error)
  }
}

/**
 * Passes chunks on, each once the next is there; so the last of them is held until the whole is known to be sound. Of a range only the
 * length is known.
 */
async function* checked(
  deps: ReadOriginalDeps,
  image: Image,
  body: AsyncIterable<Buffer>,
  range?: ByteRange,
): AsyncGenerator<Buffer, void> {
  const hash = range ? null : createHash('sha256')
  let left = range ? range.end - range.start + 1 : image.size
  let held: Buffer | null = null
  try {
    for await (const chunk of body) {
      left -= chunk.length
      if (left < 0) break
      hash?.update(chunk)
      if (held) yield held
      held = chunk
    }
  } catch (error) {
    // It may have ended early, or be gone.
    await findOriginal(deps, image)
    throw toCalotypeError(error)
  }
  if (left !== 0 || (hash && hash.digest('hex') !== image.sha256)) throw damaged(deps, image)
  if (held) yield held
}

async function missing({ images, onLoss }: ReadOriginalDeps, image: Image): Promise<CalotypeError> {
  if (!(await images.get(image.id, null))) return new CalotypeError('not_found', 'The image was deleted.')
  onLoss({ code: 'original_missing', image, key: originalKey(image.sha256) })
  return new CalotypeError('original_missing')
}

function damaged({ onLoss }: ReadOriginalDeps, image: Image): CalotypeError {
  onLoss({ code: 'original_damaged', image, key: originalKey(image.sha256) })
  return new CalotypeError('original_damaged')
}
