// The recipe: what is made of an original's pixels. One decode serves the developed image, its thumbnail and its thumbhash.
import { rm, writeFile } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import { toCalotypeError } from '../errors.ts'
import { failpoint } from '../failpoints.ts'
import type { Rendition } from '../image.ts'
import { openableAvif } from './avif-brand.ts'
import { toDecodeError } from './decoder.ts'
import type { DevelopJob } from './developer.ts'
import { type Header, readHeader } from './header.ts'
import type { MemoryEstimate } from './memory-estimate.ts'
import { encode, IMAGE_BOX, THUMBHASH_BOX, THUMBNAIL_BOX } from './outputs.ts'

/** The job, without what only a pool needs. */
export type Recipe = Pick<DevelopJob, 'format' | 'originalPath' | 'imagePath' | 'thumbnailPath'>

/** What a pool steers an image by; the bare recipe needs none of it. */
export interface Steering {
  /**
   * Resolves once so much memory may be used, or throws, if it never may; called when the header was judged, before any pixel is
   * decoded.
   */
  admit?(memory: MemoryEstimate): Promise<void>
  /** The pixels are done with and their memory is free; what is left is the disk's. */
  encoded?(): void
}

/** Begins to write a file, while the pixels go on. */
type Write = (path: string, bytes: Buffer) => void

/**
 * Develops one original: writes the image and the thumbnail at the paths given. Call `prepareDecoder` first. Throws a
 * `CalotypeError`: `invalid_image`, `image_too_large`, `no_still_image` or `too_many_frames` if it is the image's fault, else
 * `storage_full` or `internal`; files begun are then left to the caller. `maxPixels` counts those of all frames.
 */
export async function developImage(job: Recipe, maxPixels: number, steering: Steering = {}): Promise<Rendition> {
  if (job.format !== 'avif') return developFrom(job, maxPixels, steering)
  const originalPath = await openableAvif(job.originalPath, job.imagePath).catch((error: unknown) => {
    throw toCalotypeError(error)
  })
  try {
    return await developFrom({ ...job, originalPath }, maxPixels, steering)
  } catch (error) {
    if (originalPath === job.imagePath) await rm(originalPath, { force: true })
    throw error
  }
}

async function developFrom(job: Recipe, maxPixels: number, steering: Steering): Promise<Rendition> {
  const header = await readHeader(job.originalPath, job.format, maxPixels)
  await steering.admit?.(header.memory)
  const writes: Promise<void>[] = []
  const write = (path: string, bytes: Buffer) => {
    const written = writeFile(path, bytes).then(() => failpoint('child-output-written'))
    // It may fail long before it is awaited.
    written.catch(() => {})
    writes.push(written)
  }
  try {
    const rendition = await (header.animated ? developAnimation : developStill)(job, header, write)
    steering.encoded?.()
    await Promise.all(writes)
    return rendition
  } catch (error) {
    throw toCalotypeError(error)
  } finally {
    // Nothing may appear at the paths any more once this has returned or thrown.
    await Promise.allSettled(writes)
  }
}

async function developStill(job: Recipe, header: Header, write: Write): Promise<Rendition> {
  const pixels = await decode(open(job.originalPath, header).autoOrient().resize(IMAGE_BOX))
  if (header.limitedGrey) widenRange(pixels)
  const image = await encode[job.format](fromRaw(pixels)).toBuffer()
  write(job.imagePath, image)
  const rest = await developThumbnail(job, fromRaw(pixels), write)
  const { width, height } = pixels
  free(pixels)
  return { width, height, imageSize: image.length, ...rest }
}

/**
 * An animation goes from frame to frame straight into its encoder: kept raw it would take 200 MB, and a GIF would lose its palette
 * and pay for a new one, half its time. Only its first frame is decoded twice.
 */
async function developAnimation(job: Recipe, header: Header, write: Write): Promise<Rendition> {
  const frames = open(job.originalPath, header).resize(IMAGE_BOX)
  const { data, info } = await encode[job.format](frames)
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => Promise.reject(toDecodeError(error)))
  write(job.imagePath, data)
  const rest = await developThumbnail(job, open(job.originalPath, { ...header, frames: 1 }), write)
  return { width: info.width, height: info.height / header.frames, imageSize: data.length, ...rest }
}

/** The thumbnail and the thumbhash, while the image is on its way to the disk. */
async function developThumbnail(job: Recipe, source: Sharp, write: Write) {
  const small = await decode(source.resize(THUMBNAIL_BOX))
  const thumbnail = await encode.webp(fromRaw(small)).toBuffer()
  write(job.thumbnailPath, thumbnail)
  const thumbhash = await hash(small)
  free(small)
  return { thumbnailSize: thumbnail.length, thumbhash }
}

const open = (path: string, { frames, pixels, srgb }: Header) =>
  sharp(path, { pages: frames, failOn: 'error', limitInputPixels: pixels, ignoreIcc: srgb })

/** Pixels between the decoder and the encoders: 8 bits sRGB, rows from the top. */
interface Pixels {
  data: Buffer
  width: number
  height: number
  channels: 3 | 4
}

/** Metadata ends here, the colour profile once it is applied: sharp keeps none unless asked. */
async function decode(image: Sharp): Promise<Pixels> {
  try {
    const { data, info } = await image.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height, channels: info.channels as 3 | 4 }
  } catch (error) {
    throw toDecodeError(error)
  }
}

/** ITU-R BT.601, 2.5.3: black is 16 and white 235, of 8 bits. */
const FULL_OF_LIMITED = Uint8Array.from({ length: 256 }, (_, value) => Math.min(255, Math.max(0, Math.round(((value - 16) * 255) / 219))))

/**
 * Grey of limited range as full range. libheif (1.23) converts the range of colours and passes grey samples on as they are; here they
 * have 8 bits, whatever they had. Alpha is of full range always (AV1 Image File Format, 4.1).
 */
function widenRange({ data, channels }: Pixels): void {
  for (let i = 0; i < data.length; i++) if (channels === 3 || i % 4 !== 3) data[i] = FULL_OF_LIMITED[data[i]!]!
}

/**
 * Gives the memory of pixels that nobody looks at any more back now. Left to the garbage collector, megabytes outside of its heap
 * would have it look through all of it every eight images: 3 ms of CPU an image with two children, and their peak memory.
 */
function free({ data }: Pixels) {
  const { buffer } = data
  // A small one may lie in a pool with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === data.byteLength) buffer.transfer(0)
}

const fromRaw = ({ data, width, height, channels }: Pixels) => sharp(data, { limitInputPixels: false, raw: { width, height, channels } })

async function hash(pixels: Pixels): Promise<string> {
  const tiny = await decode(fromRaw(pixels).resize(THUMBHASH_BOX).ensureAlpha())
  return Buffer.from(rgbaToThumbHash(tiny.width, tiny.height, tiny.data)).toString('base64')
}
