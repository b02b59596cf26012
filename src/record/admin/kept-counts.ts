// The contract of the counts that the database keeps, so that asking how many there are is quick: added up, compared with the rows.

/** A kept count that is not what the rows say. */
export interface CountDifference {
  /** For a person. */
  of: string
  kept: number
  counted: number
}

export interface KeptCounts {
  /** Adds up what was counted since the last time: a sweep's work, so that asking stays quick. The counts are right before and after. */
  fold(): Promise<void>
  /** Where the kept counts are not what the rows say: nowhere, unless someone changed them by hand. */
  differences(): Promise<CountDifference[]>
  /** Counts anew where they differ, while nobody changes rows. Returns what differed. */
  recount(): Promise<CountDifference[]>
}
