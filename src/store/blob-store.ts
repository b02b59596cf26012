// The contract of the store step: bytes under a key, durable before anyone is told.
import type { Readable } from 'node:stream'

export interface BlobStat {
  /** Bytes. */
  size: number
  /** Milliseconds since 1970: `storedAt` of its `put`; without one, and in lists of some stores, the store's own time. */
  modifiedAt: number
}

/** How a client that fetches a blob by its link is told to take it. */
export interface LinkOptions {
  method: 'GET' | 'HEAD'
  /** Media type. */
  type: string
  cacheControl: string
  contentDisposition?: string
}

export interface PutOptions {
  synced?: boolean
  canBeMadeAgain?: boolean
  /** Milliseconds since 1970. */
  storedAt?: number
}

export interface BlobStore {
  /** Path of a new, empty place for a local file that is to be `put` or `discard`ed. No file is there yet. */
  stage(): string
  /**
   * Makes a staged file durable under its key and takes it away from its place. Repeatable: the same key again replaces the same
   * bytes. On return the bytes and their name survive a power cut. `synced` says that the file's own bytes were synced before. What can be
   * made again is there for everyone from then on, and survives the end of every process; where one process alone uses the store, it may
   * be lost with the machine's power: whoever starts after a crash has to look (`flow/develop/remake-lost.ts`). `storedAt` is what `stat` gives as
   * `modifiedAt` from then on, by whatever clock the caller compares it with.
   */
  put(stagedPath: string, key: string, options?: PutOptions): Promise<void>
  /** Removes a staged file, if it is still there. Never rejects. */
  discard(stagedPath: string): Promise<void>
  /**
   * Local files that were staged and neither put nor discarded, by this process or others that stage in the same folder; what is being
   * written just now is among them. `discard` removes one.
   */
  staged(): AsyncIterable<{ path: string } & BlobStat>
  /** A local path to read the blob from, for programs that take paths; `release` when done. Rejects with `not_found` if it is gone. */
  checkout(key: string): Promise<{ path: string; release(): Promise<void> }>
  /** Null when it is missing, which is never guessed from a timeout. */
  stat(key: string): Promise<BlobStat | null>
  /**
   * Bytes `start` to `end`, inclusive, or all of them. Rejects with `not_found` before the first byte. A blob that ends before `end` is an
   * error of the stream, never a short body: who serves it has said by then how long it is.
   */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>
  /** Where clients get the blob without us, good for `seconds` at least; null where its bytes go through us. Does not look whether it is there. */
  link(key: string, options: LinkOptions): Promise<{ url: string; seconds: number } | null>
  /** Repeatable: a key that is not there is no error. */
  delete(keys: string[]): Promise<void>
  /** Every key under a prefix (`originals/`), in no order. */
  list(prefix: string): AsyncIterable<{ key: string } & BlobStat>
  /** The id of the run that used this store last; null if none has told. Rejects when that can't be told. */
  readRunId(): Promise<string | null>
  /** Durable on return; whole or not at all. */
  writeRunId(id: string): Promise<void>
  /** Of where the bytes lie; null where that has no end. */
  space(): Promise<{ freeBytes: number; totalBytes: number } | null>
  close(): Promise<void>
}
