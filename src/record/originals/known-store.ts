// The contract of what the database knows of the blob store beside it: the run they last shared, and whether bytes may be deleted.

/** Originals in the store that no row speaks of. Rows precede bytes, so each of them was recorded in another database, or a later copy. */
export interface UnknownOriginals {
  originals: number
  bytes: number
  /** Milliseconds since 1970, as the store has it; null if there are none. */
  oldestAt: number | null
  newestAt: number | null
}

/**
 * `unknown_originals`: the store has originals that no row speaks of, or has newer bytes than a row that would have them deleted.
 * `another_store`: the store has none of the originals that rows speak of, or was used with another database since.
 */
export type HaltReason = 'unknown_originals' | 'another_store'

/** While there is one, no original and no rendition is deleted, on any server. */
export interface DeletionHalt {
  reason: HaltReason
  /** Milliseconds since 1970, by the database's clock. */
  since: number
  unknown: UnknownOriginals
}

export interface StoreState {
  /** The run that used this database last, as far as it may delete bytes; null if none did. */
  runId: string | null
  /** Unknown originals that are not newer were accepted by a person. Milliseconds since 1970, by the database's clock. */
  acceptedAt: number | null
  halt: DeletionHalt | null
}

export interface KnownStore {
  read(): Promise<StoreState>
  /** Whether the run id is so old, and deletion is not halted. */
  isDue(ageMs: number): Promise<boolean>
  /** Repeatable: a halt keeps its `since` and takes the latest figures. From when it resolves, `collectable` finds nothing. */
  halt(reason: HaltReason, unknown: UnknownOriginals): Promise<void>
  /** Runs `body` while no other process is in `compare` or `adopt`. Rejects with what it rejects with. */
  compare<T>(body: (runId: string | null) => Promise<T>): Promise<T>
  /**
   * From now on this is the database's store: records the run id that `body` wrote to the store, and ends a halt. With
   * `acceptUnknown`, originals that no row speaks of now are no reason to halt again.
   */
  adopt(body: () => Promise<string>, options?: { acceptUnknown?: boolean }): Promise<void>
}
