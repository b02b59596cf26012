// The header of an original: judged against the limits, and weighed in bytes of memory, before any pixel is decoded.
import sharp from 'sharp'
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import type { Format } from '../../image.ts'
import { type AvifFacts, readAvif } from './avif.ts'
import { isSrgb } from '../child/colour-profile.ts'
import { toDecodeError } from '../child/decoder.ts'
import { estimateMemory, type MemoryEstimate } from './memory-estimate.ts'
import { checkStructure, tooLongSide } from './structure.ts'

/** Pixels. Each side and not only the area, for decoders hold whole rows: a 41-byte PNG can claim rows of 786,432 pixels. */
const MAX_SIDE = 16_384
const MAX_FRAMES = 500

export interface Header {
  /** Pixels, upright; of one frame. */
  width: number
  height: number
  /** 1 for a still image. */
  frames: number
  /** Of all frames. */
  pixels: number
  /** A GIF, even of one frame, or a WebP of several: encoded from its file and not from pixels kept raw. */
  animated: boolean
  /** Its colours are sRGB, so that there is nothing to convert. */
  srgb: boolean
  /** Its grey values reach from 16 to 235, and the decoder leaves them so. */
  limitedGrey: boolean
  memory: MemoryEstimate
}

/**
 * Reads the header of an original. Throws `invalid_image` if it can't be read or is of another format than expected,
 * `too_many_frames`, `metadata_too_large`, `no_still_image`, and `image_too_large` for a side, or for the pixels of all frames beyond
 * `maxPixels`. `widest`: of what is to be made of it, in pixels.
 */
export async function readHeader(path: string, format: Format, maxPixels: number, widest: number): Promise<Header> {
  let avif: AvifFacts | undefined
  try {
    checkStructure(path, format, { maxFrames: MAX_FRAMES, maxSide: MAX_SIDE })
    if (format === 'avif') avif = readAvif(path)
  } catch (error) {
    // What the system says of the file is not the image's fault.
    throw (error as NodeJS.ErrnoException).errno === undefined && !(error instanceof CalotypeError)
      ? toDecodeError(error)
      : toCalotypeError(error)
  }
  if (avif?.isSequenceOnly) throw new CalotypeError('no_still_image')
  const metadata = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => Promise.reject(toDecodeError(error)))
  const { width, height } = metadata
  const found = metadata.format === 'heif' ? 'avif' : metadata.format
  if (found !== format)
    throw new CalotypeError('invalid_image', 'The file is not the kind of image it begins as. Check it and upload it again.')

  const frames = format === 'gif' || format === 'webp' ? (metadata.pages ?? 1) : 1
  const pixels = width * height * frames
  const size = `${width}×${height} pixels`
  if (Math.max(width, height) > MAX_SIDE) throw tooLongSide(width, height, MAX_SIDE)
  if (frames > MAX_FRAMES)
    throw new CalotypeError('too_many_frames', `The animation has ${frames} frames; ${MAX_FRAMES} at most are developed.`)
  if (pixels > maxPixels) {
    throw new CalotypeError(
      'image_too_large',
      `The image is ${frames > 1 ? `${frames} frames of ` : ''}${size}; ${maxPixels} pixels at most are developed.`,
    )
  }
  const animated = format === 'gif' || frames > 1
  const upright = metadata.autoOrient
  return {
    width: upright.width,
    // Of an animation sharp tells the height of all frames, one below the other, only if it was told to read them.
    height: upright.height,
    frames,
    pixels,
    animated,
    srgb: isSrgb(metadata.icc),
    limitedGrey: avif?.isLimitedMonochrome ?? false,
    memory: estimateMemory(metadata, format, frames, widest),
  }
}
