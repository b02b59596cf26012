// What developing an original takes in memory at its peak, guessed from its header.
import type { Metadata } from 'sharp'
import type { Format } from '../../image.ts'

/** Buffers of libvips and of the encoders, however small the picture. */
const BASE_BYTES = 12 * 2 ** 20
/** Rows libvips keeps of a picture it reads from top to bottom. */
const ROWS_KEPT = 400

/** What developing an original takes at its peak above an idle child, in bytes. */
export interface MemoryEstimate {
  /** On the high side: what has to be free for it. */
  most: number
  /** On the low side: where there is not so much at all, it can't be developed. */
  least: number
}

/** Of the estimate on the high side: what was measured below took 0.65 of it or more, but for a baseline JPEG, which takes little. */
const LEAST_SHARE = 0.6

/** `widest`: of what is to be made of it, in pixels. A still WebP is estimated as if it were lossless, which its header doesn't tell; a lossy one takes next to nothing. */
export function estimateMemory(metadata: Metadata, format: Format, frames: number, widest: number): MemoryEstimate {
  const most = estimateBytes(metadata, format, frames, widest)
  return { most, least: format === 'webp' && frames === 1 ? 0 : LEAST_SHARE * most }
}

/**
 * The factors come from peaks of RSS, an image to a process, with sharp 0.35.5 (libvips
 * 8.18.7) on x64, in MB: of 48 MP a baseline JPEG 16 to 27, progressive 152 (4:2:0) or 291 (4:4:4), PNG 49 to 62, interlaced 174,
 * WebP 22 to 55, AVIF 704 (4:2:0) or 890 (4:4:4); of 12 MP a lossless WebP 63, an AVIF of 4:4:4 222, a PNG of 16 bits and alpha 59, interlaced 135; a JPEG
 * of 1500×16,000 80; a GIF of 25 MP 149; 40 frames of 1200×800 as GIF 59, as WebP 194.
 */
function estimateBytes(metadata: Metadata, format: Format, frames: number, widest: number): number {
  const { width, height, depth } = metadata
  const channels = metadata.channels === 1 ? 3 : metadata.channels
  const sampleBytes = depth === 'uchar' ? 1 : 2
  const pixels = width * height
  const developed = pixels * Math.min(1, widest / metadata.autoOrient.width) ** 2
  if (format === 'gif') return Math.ceil(BASE_BYTES + 6 * pixels + 1.5 * developed * frames)
  if (frames > 1) return Math.ceil(BASE_BYTES + 8 * pixels + 5 * developed * frames)

  // JPEG alone is shrunk while it is read; the others are mixed as floats.
  const rows = width * Math.min(height, ROWS_KEPT) * channels * (format === 'jpeg' ? 1 : 4)
  const turned = (metadata.orientation ?? 1) > 1 ? 2 : 0
  return Math.ceil(BASE_BYTES + rows + developed * channels * (1.5 * sampleBytes + turned) + pixels * heldBytes(metadata, format))
}

/** Bytes a pixel that a decoder holds of the whole picture; 0 for those that go from row to row. */
function heldBytes({ isProgressive, chromaSubsampling, channels, depth, bitsPerSample }: Metadata, format: Format): number {
  if (format === 'avif') return (bitsPerSample ?? 8) > 8 ? 36 : 18
  if (format === 'webp') return 4
  if (!isProgressive) return 0
  if (format === 'png') return channels * (depth === 'uchar' ? 1 : 2)
  // Coefficients of 16 bits, all of them until the last scan is in.
  return chromaSubsampling === '4:2:0' ? 3 : 2 * channels
}
