// The contract of the queue step: hints that work exists. The rows are the truth; losing the whole queue loses nothing.

/** A hint that an original wants developing. */
export interface Job {
  sha256: string
  /** Batches take turns. */
  batchId: string
  /** Its place in the batch, from 0. */
  place: number
}

export interface JobQueue {
  /**
   * Adds hints, in the order of their batch. A batch does not wait twice for the same original. Never rejects: a hint that could not
   * be kept is found in the rows again (`flow/sweep.ts`).
   */
  add(jobs: Job[]): Promise<void>
  /**
   * Waits until there is work, then takes up to `most` hints, or one chunk where hints are kept in chunks; batches take turns. Empty
   * only once taking has ended.
   */
  take(most: number): Promise<Job[]>
  /** Nothing is taken any more, whoever waits gets none; hints can still be added, also those of work that is given back. Repeatable. */
  endTaking(): Promise<void>
  /** Drops the waiting hints of a batch, where that is possible; a claim sees that nobody wants them any more. */
  drop(batchId: string): Promise<void>
  /** Hints (or chunks of them) waiting; null while that can not be known. */
  depth(): Promise<number | null>
  /** Ends taking, and everything else. */
  close(): Promise<void>
}
