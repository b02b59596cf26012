// What travels: the image, its states and where its bytes lie. Known to every step.
import type { ErrorCode } from './error-codes.ts'

/** The formats taken in, each by the name sharp gives it. */
export const FORMATS = {
  jpeg: { type: 'image/jpeg', extension: 'jpg' },
  png: { type: 'image/png', extension: 'png' },
  webp: { type: 'image/webp', extension: 'webp' },
  avif: { type: 'image/avif', extension: 'avif' },
  gif: { type: 'image/gif', extension: 'gif' },
} as const
export type Format = keyof typeof FORMATS
export const FORMAT_NAMES = Object.keys(FORMATS) as [Format, ...Format[]]

export const STATUSES = ['pending', 'processing', 'completed', 'error', 'aborted'] as const
export type Status = (typeof STATUSES)[number]

/** Where a file of a batch stands: where its image does, or why it has none. */
export const FILE_STATUSES = ['needed', ...STATUSES, 'rejected', 'expired'] as const
export type FileStatus = (typeof FILE_STATUSES)[number]

/** Final states are announced to every watcher, however slow. */
export const isFinal = (status: Status) => status === 'completed' || status === 'error' || status === 'aborted'

/** Why an image could not be processed: a stable code and a sentence for a person. */
export interface Failure {
  code: ErrorCode
  error: string
}

/** One output of an original, as it lies in the blob store. */
export interface Rendition {
  /** The eager preset it was made for. */
  preset: string
  /** `rendition/operation.ts`. */
  operation: string
  /** Pixels; of one frame, if animated. Null for thumbnails that a version before this one made. */
  width: number | null
  height: number | null
  /** Bytes. */
  size: number
}

/** What processing found out about an original's pixels, whatever is made of them. */
export interface Picture {
  /** Pixels, upright; of one frame, if animated. Null where a version before this one processed it. */
  width: number | null
  height: number | null
  /** Base64 of a thumbhash (https://evanw.github.io/thumbhash/). */
  thumbhash: string
}

/** One upload of one file. Many images may share an original (the same bytes), and then share its renditions. */
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
  /** What it is to become: the id of a recipe (`rendition/presets.ts`). */
  recipe: string
  status: Status
  /** Milliseconds since 1970, UTC. */
  uploadedAt: number
  finishedAt: number | null
  /** Once it is completed. */
  outcome: Outcome | null
  failure: Failure | null
}

/** What everybody is told of a completed image. */
export interface Outcome extends Picture {
  /** Of its `image` preset, and the operation of each preset that has an address on the wire. */
  image: Pick<Rendition, 'operation' | 'size'> & { width: number; height: number }
  thumbnail: Pick<Rendition, 'operation'>
}
