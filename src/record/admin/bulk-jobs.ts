// The contract of bulk jobs: what is done to many images, step by step, by whichever server has the job in hand.
import { z } from 'zod'
import { imageFilter } from '../images/image-filter.ts'

export type JobAction = 'delete' | 'retry'
export type JobState = 'waiting' | 'running' | 'done' | 'cancelled' | 'failed'

/** Images by their ids, or all that a filter finds. */
export const imageSelection = z.union([z.strictObject({ ids: z.array(z.string()) }), z.strictObject({ filter: imageFilter })])
export type ImageSelection = z.output<typeof imageSelection>

export interface NewJob {
  id: string
  action: JobAction
  selection: ImageSelection
  /** How many images that was. */
  total: number
  /** For people: an e-mail address, or where it came from. */
  by: string
  /** Who made it, for the audit log: kept as it is. */
  actor: object
}

/** A job as it is told of. */
export interface BulkJob extends Omit<NewJob, 'selection' | 'actor'> {
  state: JobState
  seen: number
  changed: number
  /** Milliseconds since 1970, by the database's clock. */
  createdAt: number
  finishedAt: number | null
  /** A sentence for a person: why it failed. */
  error: string | null
}

/** What one step is about. */
export interface JobStep {
  /** Images it looks at. */
  seen: number
  /** Of those, the ones it may change. */
  ids: string[]
  /** Where the next one begins. */
  cursor: string
}

/** A job in hand. */
export interface HeldJob extends BulkJob, Pick<NewJob, 'selection' | 'actor'> {
  /** Where its next step begins. */
  cursor: string | null
  /** A step that was begun and not said to be done: whoever had it has ended. */
  begun: string[] | null
}

export interface JobLease {
  token: string
  ms: number
}

export interface BulkJobs {
  add(job: NewJob): Promise<BulkJob>
  get(id: string): Promise<BulkJob | null>
  /** Newest first. */
  list(query: { limit: number; cursor?: string }): Promise<{ jobs: BulkJob[]; next: string | null }>
  /** One that has ended stays as it is. Whether this ended it; null if there is none. */
  cancel(id: string): Promise<{ job: BulkJob; hasEnded: boolean } | null>

  /**
   * Takes the oldest that has not ended and is in nobody's hands. It is `running` from then on; one that another version made, and this one
   * can't read, has failed.
   */
  take(lease: JobLease): Promise<HeldJob | null>
  /** Before the images are changed. False if the job was cancelled or is in other hands: nothing may be done. */
  beginStep(id: string, lease: JobLease, step: JobStep): Promise<boolean>
  /** Also of one that was cancelled meanwhile. `alsoSeen` came along with those of the step. False if the job goes no further. */
  endStep(id: string, lease: JobLease, done: { changed: number; alsoSeen: number }): Promise<boolean>
  /** The job as it ended; null if it was cancelled before, or is in other hands. */
  end(id: string, token: string, end: { state: 'done' } | { state: 'failed'; error: string }): Promise<BulkJob | null>
  /** For another to take now, not only when the lease has run out. */
  giveBack(token: string): Promise<void>
  /** After the start of the only server: what is in somebody's hands is in nobody's. */
  reclaim(): Promise<void>
}
