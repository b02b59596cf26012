// The encoder settings of each output format, and the box that an output is resized into.
import type { ResizeOptions, Sharp } from 'sharp'
import type { Format } from '../../image.ts'
import type { Operation } from '../../rendition/operation.ts'

/** The longest side that WebP and AVIF know, in pixels; JPEG, PNG and GIF know longer ones. */
const MAX_SIDE: Partial<Record<Format, number>> = { webp: 16_383, avif: 16_384 }

export function boxOf({ width, format }: Pick<Operation, 'width' | 'format'>): ResizeOptions {
  const height = MAX_SIDE[format]
  return { width, ...(height !== undefined && { height, fit: 'inside' }), withoutEnlargement: true }
}

/** A thumbhash keeps 7×7 cosines at most (https://evanw.github.io/thumbhash/); of 100×100 px, the most it takes, it is the same but dearer. */
export const THUMBHASH_BOX = { width: 64, height: 64, fit: 'inside', withoutEnlargement: true } as const

/** 1 to 100, where an operation says nothing else; PNG and GIF have none. */
const QUALITY: Partial<Record<Format, number>> = { jpeg: 80, webp: 80, avif: 50 }

/** Efforts for a server, which pays for every image: docs/decisions/0002-encoders.md says what each costs and saves. */
const ENCODERS: Record<Format, (image: Sharp, quality: number) => Sharp> = {
  jpeg: (image, quality) => image.jpeg({ quality, optimiseCoding: false }),
  png: (image) => image.png({ compressionLevel: 3 }),
  webp: (image, quality) => image.webp({ quality, effort: 2 }),
  avif: (image, quality) => image.avif({ quality, effort: 1, chromaSubsampling: '4:2:0' }),
  gif: (image) => image.gif({ effort: 1, dither: 0, keepDuplicateFrames: true }),
}

/** Changing what this writes means raising `PIPELINE` (`rendition/operation.ts`). */
export const encode = (image: Sharp, { format, quality }: Pick<Operation, 'format' | 'quality'>): Sharp =>
  ENCODERS[format](image, quality ?? QUALITY[format] ?? 100)
