// The table of the store that the database belongs to. Times are milliseconds since 1970, UTC.

/** One row at most. */
export interface KnownStoreTable {
  id: number
  /** Written here and into the store at each start, and renewed: the two that were last used together have the same. */
  run_id: string | null
  /** When that was. */
  run_at: number | null
  /** Originals that no row speaks of are accepted if they are not newer than this. */
  accepted_at: number | null
  /** Since when no bytes are deleted; null while they may be. */
  halted_at: number | null
  halt_reason: 'unknown_originals' | 'another_store' | null
  /** What was found when deletion was halted. */
  unknown_originals: number | null
  unknown_bytes: number | null
  oldest_at: number | null
  newest_at: number | null
}
