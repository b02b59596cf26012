// What travels: the image, its states and where its bytes lie. Known to every step.
import type { ErrorCode } from './errors.ts'

/** The formats taken in, each by the name sharp gives it. */
export const FORMATS = {
  jpeg: { type: 'image/jpeg', extension: 'jpg' },
  png: { type: 'image/png', extension: 'png' },
  webp: { type: 'image/webp', extension: 'webp' },
  avif: { type: 'image/avif', extension: 'avif' },
  gif: { type: 'image/gif', extension: 'gif' },
} as const
export type Format = keyof typeof FORMATS

export const STATUSES = ['pending', 'processing', 'completed', 'error', 'aborted'] as const
export type Status = (typeof STATUSES)[number]

/** Where a file of a batch stands: where its image does, or why it has none. */
export const FILE_STATUSES = ['needed', ...STATUSES, 'rejected', 'expired'] as const
export type FileStatus = (typeof FILE_STATUSES)[number]

/** Final states are announced to every watcher, however slow. */
export const isFinal = (status: Status) => status === 'completed' || status === 'error' || status === 'aborted'

/** What development made of an original. Sides in pixels of the developed image (of one frame, if animated). */
export interface Rendition {
  width: number
  height: number
  /** Bytes of the developed image and of its thumbnail. */
  imageSize: number
  thumbnailSize: number
  /** Base64 of a thumbhash (https://evanw.github.io/thumbhash/). */
  thumbhash: string
}

/** Why development failed: a stable code and a sentence for a person. */
export interface Failure {
  code: ErrorCode
  error: string
}

/** One upload of one file. Many images may share an original (the same bytes) and then share its development. */
export interface Image {
  id: string
  batchId: string
  /** Who uploaded it, whose it is; null on an open server. */
  ownerId: string | null
  /** The place of the file in what was sent, from 0. */
  batchIndex: number
  /** As the client gave it; shown, never used as a path. */
  name: string
  format: Format
  /** Bytes of the original. */
  size: number
  /** Of the original, hex. */
  sha256: string
  /** Version of the recipe it is developed by. */
  recipe: string
  status: Status
  /** Milliseconds since 1970, UTC. */
  uploadedAt: number
  finishedAt: number | null
  rendition: Rendition | null
  failure: Failure | null
}

/** The unit of work: an original and a recipe. Developed once, however many images share it. */
export interface Development {
  sha256: string
  recipe: string
  format: Format
}

/** Version of the default recipe (`process/recipe.ts`): raise it when its outputs change. */
export const RECIPE = 'v1'

// Keys in the blob store. 256 folders by the first byte of the hash keep folders small: 4,000 files each at a million.
export const originalKey = (sha256: string) => `originals/${sha256.slice(0, 2)}/${sha256}`
export const imageKey = (d: Development) => `renditions/${d.sha256.slice(0, 2)}/${d.sha256}-${d.recipe}.${FORMATS[d.format].extension}`
export const thumbnailKey = (d: Omit<Development, 'format'>) => `renditions/${d.sha256.slice(0, 2)}/${d.sha256}-${d.recipe}-thumbnail.webp`

/** The hash a key of the blob store belongs to, or null for a file that is none of ours. */
export const sha256OfKey = (key: string) => /\/([0-9a-f]{64})(?:[-.]|$)/.exec(key)?.[1] ?? null
