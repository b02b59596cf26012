// The contract of originals in rows: each has its row before its bytes are stored, and until they are deleted.

/** An original in the store, or on its way there. */
export interface StoredBytes {
  sha256: string
  /** Bytes. */
  size: number
}

/** An original that is to be deleted, with all that was made of it. */
export interface Collectable extends StoredBytes {
  /** Milliseconds since 1970, by the database's clock. Bytes that were stored after it are not to be deleted. */
  releasedAt: number
  /** Operations of its renditions. */
  operations: string[]
}

export interface OriginalStore {
  /**
   * Bytes are about to be stored: rows precede them, so that bytes without a row are known to be another database's. Each original has a
   * row on return. One that no image uses is released in an hour, should its server be killed before it records an image; one that waits
   * to be collected stays. Resolves to the time of the commit by the database's clock, in milliseconds since 1970, for the bytes to be
   * stored with. Rejects with `overloaded` when some are being removed just now.
   */
  expect(originals: StoredBytes[]): Promise<number>
  /** Releases originals that were expected and never came: at the start of the only server, when nothing is on its way. */
  giveUpExpected(): Promise<void>
  /** Releases bytes that were stored and then not recorded, so that they are collected; originals in use stay as they are. */
  release(originals: StoredBytes[]): Promise<void>
  /**
   * Marks at most `limit` originals that were released at least `graceMs` ago and that nothing uses, so that nobody counts on their bytes.
   * Delete them (`flow/originals/delete-originals.ts`), then `forget`; or `keep`. Returns none while deletion is halted
   * (`known-store.ts`).
   */
  collectable(graceMs: number, limit: number): Promise<Collectable[]>
  /** Their bytes stay: they are as they were before `collectable` marked them. */
  keep(hashes: string[]): Promise<void>
  /** Their bytes are deleted: deletes the rows of those that are marked. */
  forget(hashes: string[]): Promise<void>
  /** Of these hashes, those that have a row: when they were released, in milliseconds since 1970; null while an image uses them. */
  known(hashes: string[]): Promise<Map<string, number | null>>
}
