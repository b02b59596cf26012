// Makes the renditions of an original: its pixels are decoded once, and every output, and the thumbhash, is cut from that.
import { rm, writeFile } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import { toCalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { Picture } from '../../image.ts'
import { parseOperation, type Operation } from '../../rendition/operation.ts'
import { openableAvif } from '../checks/avif-brand.ts'
import { lacksThreads, toDecodeError } from './decoder.ts'
import type { ImageTask, MadeOutput } from '../image-processor.ts'
import { boxOf, encode, THUMBHASH_BOX } from './encoders.ts'
import { type Header, readHeader } from '../checks/header.ts'
import type { MemoryEstimate } from '../checks/memory-estimate.ts'

/** The task, without what only a pool needs. */
export type Making = Pick<ImageTask, 'format' | 'originalPath' | 'outputs'>

/** What a pool steers an image by; who makes renditions without one needs none of it. */
export interface Steering {
  /**
   * Resolves once so much memory may be used, or throws, if it never may; called when the header was judged, before any pixel is
   * decoded.
   */
  admit?(memory: MemoryEstimate): Promise<void>
  /** The pixels are done with and their memory is free; what is left is the disk's. */
  encoded?(): void
}

export interface Made {
  picture: Picture
  outputs: MadeOutput[]
}

/**
 * Makes all outputs of one original at the paths given; a still one that can't be encoded has its failure beside the others. Call
 * `prepareDecoder` first. Throws a `CalotypeError`: `invalid_image`, `image_too_large`, `no_still_image` or `too_many_frames` if it is the
 * image's fault, else `storage_full` or `internal`; files begun are then left to the caller. `maxPixels` counts those of all frames.
 */
export async function makeRenditions(task: Making, maxPixels: number, steering: Steering = {}): Promise<Made> {
  const beside = task.outputs[0]?.path
  if (task.format !== 'avif' || beside === undefined) return makeFrom(task, maxPixels, steering)
  const originalPath = await openableAvif(task.originalPath, beside).catch((error: unknown) => {
    throw toCalotypeError(error)
  })
  try {
    return await makeFrom({ ...task, originalPath }, maxPixels, steering)
  } catch (error) {
    if (originalPath === beside) await rm(originalPath, { force: true })
    throw error
  }
}

/** An output on its way: what is to be made, and where. */
interface Order {
  text: string
  operation: Operation
  path: string
}

/** Files being written while the pixels go on. */
type Write = (path: string, bytes: Buffer) => void

async function makeFrom({ format, originalPath, outputs }: Making, maxPixels: number, steering: Steering): Promise<Made> {
  const orders = outputs
    .map(({ operation, path }): Order => ({ text: operation, operation: parseOperation(operation), path }))
    // From the largest to the smallest.
    .sort((a, b) => b.operation.width - a.operation.width)
  const header = await readHeader(originalPath, format, maxPixels, widest(orders))
  await steering.admit?.(header.memory)
  const writes: Promise<void>[] = []
  const write = (path: string, bytes: Buffer) => {
    const written = writeFile(path, bytes).then(() => failpoint('child-output-written'))
    // It may fail long before it is awaited.
    written.catch(() => {})
    writes.push(written)
  }
  try {
    const moving = orders.filter((order) => header.animated && isMoving(order.operation))
    const still = orders.filter((order) => !moving.includes(order))
    const animated: MadeOutput[] = []
    for (const order of moving) animated.push(await makeAnimation(originalPath, header, order, write))
    const { thumbhash, made } = await makeStills(originalPath, header, still, write)
    steering.encoded?.()
    await Promise.all(writes)
    return { picture: { width: header.width, height: header.height, thumbhash }, outputs: [...animated, ...made] }
  } catch (error) {
    throw toCalotypeError(error)
  } finally {
    // Nothing may appear at the paths any more once this has returned or thrown.
    await Promise.allSettled(writes)
  }
}

const widest = (orders: Order[]) => Math.max(1, ...orders.map(({ operation }) => operation.width))

/** Of an animation, the formats that can have all frames, unless only the first is wanted. */
const isMoving = ({ format, still }: Operation) => !still && (format === 'gif' || format === 'webp')

/**
 * An animation goes from frame to frame straight into its encoder: kept raw it would take 200 MB, and a GIF would lose its palette
 * and pay for a new one, half its time. Only its first frame is decoded twice.
 */
async function makeAnimation(path: string, header: Header, { text, operation, path: target }: Order, write: Write): Promise<MadeOutput> {
  const frames = open(path, header).resize(boxOf(operation))
  const { data, info } = await encode(frames, operation)
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => Promise.reject(toDecodeError(error)))
  write(target, data)
  return { operation: text, width: info.width, height: info.height / header.frames, size: data.length }
}

/** Each smaller output is cut from the pixels of the largest; the thumbhash from those of the smallest. */
async function makeStills(path: string, header: Header, orders: Order[], write: Write): Promise<{ thumbhash: string; made: MadeOutput[] }> {
  const [largest, ...others] = orders
  const upright = header.animated ? open(path, { ...header, frames: 1 }) : open(path, header).autoOrient()
  const pixels = await decode(upright.resize(largest ? boxOf(largest.operation) : THUMBHASH_BOX))
  if (header.limitedGrey) widenRange(pixels)
  const made: MadeOutput[] = []
  if (largest) made.push(await makeStill(pixels, largest, write))
  let smallest = pixels
  for (const order of others) {
    const cut = await decode(fromRaw(pixels).resize(boxOf(order.operation)))
    made.push(await makeStill(cut, order, write))
    if (smallest !== pixels) free(smallest)
    smallest = cut
  }
  if (smallest !== pixels) free(pixels)
  const thumbhash = await hash(smallest)
  free(smallest)
  return { thumbhash, made }
}

/** What the encoder refuses is a fault of this output alone. */
async function makeStill(pixels: Pixels, { text, operation, path }: Order, write: Write): Promise<MadeOutput> {
  try {
    const bytes = await encode(fromRaw(pixels), operation).toBuffer()
    write(path, bytes)
    const { width, height } = pixels
    return { operation: text, width, height, size: bytes.length }
  } catch (error) {
    if (lacksThreads(error)) throw error
    const { code, message } = toCalotypeError(error)
    return { operation: text, failure: { code, error: message } }
  }
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
