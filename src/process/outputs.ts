// The figures of the recipe: how large its outputs are, and how they are encoded.
import type { Sharp } from 'sharp'
import type { Format } from '../image.ts'

/** Pixels. */
export const IMAGE_WIDTH = 1500
export const IMAGE_BOX = { width: IMAGE_WIDTH, withoutEnlargement: true } as const
/** The height is the longest side WebP knows; JPEG, PNG and GIF know longer ones. */
export const THUMBNAIL_BOX = { width: 320, height: 16_383, fit: 'inside', withoutEnlargement: true } as const
/** A thumbhash keeps 7×7 cosines at most (https://evanw.github.io/thumbhash/); of 100×100 px, the most it takes, it is the same but dearer. */
export const THUMBHASH_BOX = { width: 64, height: 64, fit: 'inside', withoutEnlargement: true } as const

/** Efforts for a server, which pays for every image: docs/decisions/0002-encoders.md says what each costs and saves. */
export const encode: Record<Format, (image: Sharp) => Sharp> = {
  jpeg: (image) => image.jpeg({ quality: 80, optimiseCoding: false }),
  png: (image) => image.png({ compressionLevel: 3 }),
  webp: (image) => image.webp({ quality: 80, effort: 2 }),
  avif: (image) => image.avif({ quality: 50, effort: 1, chromaSubsampling: '4:2:0' }),
  gif: (image) => image.gif({ effort: 1, dither: 0, keepDuplicateFrames: true }),
}
