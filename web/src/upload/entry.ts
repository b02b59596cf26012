// A file on its way: what the page knows of it.

/**
 * `reading`: checked, hashed and declared. `waiting`: the server needs it. `sending`. `sent`: the server has it. `developing`. `done`.
 * Ends that are none: `failed` in development, `refused` before (it is not kept), `skipped` as it is there twice, `cancelled`; and
 * `missing`: the server needs it, and since the page was closed its bytes are not here any more.
 */
export const STATES = [
  'reading',
  'waiting',
  'sending',
  'sent',
  'developing',
  'done',
  'failed',
  'refused',
  'skipped',
  'cancelled',
  'missing',
] as const
export type EntryState = (typeof STATES)[number]

export interface Entry {
  readonly name: string
  /** With its folders, as dropped: `holiday/day one/1.jpg`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly lastModified: number
  /** Null when it was read from the manifest. */
  file: File | null
  state: EntryState
  /** Once hashed: 64 hex digits. */
  sha256: string | null
  /** Its batch, and its place there, once declared. */
  batch: string | null
  index: number
  /** Its image, once the server has it. */
  image: string | null
  thumbnail: string | null
  /** Why it is where it is: a sentence for a person. */
  why: string | null
}

export interface FoundFile {
  file: File
  path: string
}

export const entryOf = ({ file, path }: FoundFile): Entry => ({
  name: file.name,
  path,
  size: file.size,
  lastModified: file.lastModified,
  file,
  state: 'reading',
  sha256: null,
  batch: null,
  index: -1,
  image: null,
  thumbnail: null,
  why: null,
})

type Identity = Pick<Entry, 'path' | 'size' | 'lastModified'>

/** The same file on the same disk, as far as can be told without reading it. */
export const placeKey = ({ path, size, lastModified }: Identity) => `${path}|${size}|${lastModified}`

/** Likewise, chosen another way: without its folder. */
export const looseKey = ({ path, size, lastModified }: Identity) => `${path.slice(path.lastIndexOf('/') + 1)}|${size}|${lastModified}`

/** Still to be sent from this page: closing it would stop that. */
export const isOurs = (state: EntryState) => state === 'reading' || state === 'waiting' || state === 'sending'

/** Something is still to happen to it, here or at the server. */
export const isActive = (state: EntryState) => isOurs(state) || state === 'sent' || state === 'developing'

/** By a click: what failed at the server, or what could go another way with the file that is still here. */
export const canRetry = ({ state, file, sha256 }: Entry) =>
  state === 'failed' || (file !== null && (state === 'cancelled' || (state === 'refused' && sha256 !== null)))
