// The contract of the overview: what administrators see of all images at once, however many there are.
import type { ErrorCode } from '../../error-codes.ts'
import type { Image, Status } from '../../image.ts'

export interface Counts {
  /** Images by state. */
  images: Record<Status, number>
  /** Of those that failed, by code; the most first. */
  failures: { code: ErrorCode; images: number }[]
  /** Of all images as they were uploaded: the same ones for each. */
  bytes: number
}

export interface FinishedMinute {
  /** Its beginning, milliseconds since 1970. */
  at: number
  completed: number
  failed: number
}

export interface FailureGroup {
  code: ErrorCode
  images: number
  /** When the last of them failed. */
  lastAt: number
  /** The last that failed, newest first: as many as were asked for, or all. */
  samples: Image[]
}

export interface Overview {
  counts(): Promise<Counts>
  /** The last so many minutes, oldest first; the last is the one that goes on. Images that are there still. */
  minutes(count: number): Promise<FinishedMinute[]>
  /** The most first. At least one sample each. */
  failures(samples: number): Promise<FailureGroup[]>
  databaseBytes(): Promise<number>
}
