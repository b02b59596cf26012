// A file of a batch as the page shows it, and what its states are called.
import type { ApiBatchFile, BatchFileStatus } from '../../../src/api/batches.ts'
import type { ApiNotification } from '../../../src/api/events.ts'

export const BATCH_STATES = {
  error: 'Failed',
  rejected: 'Refused',
  needed: 'Not sent yet',
  pending: 'Waiting',
  processing: 'Developing',
  completed: 'Developed',
  aborted: 'Cancelled',
  expired: 'Expired',
} as const satisfies Record<BatchFileStatus, string>

export type FileFilter = BatchFileStatus | 'all'

export interface BatchFile {
  /** Its place in the batch. */
  index: number
  name: string
  size: number
  status: BatchFileStatus
  /** The id of its image, once it was received. */
  image: string | null
  thumbnail: string | null
  error: string | null
}

export const toBatchFile = ({ index, name, size, status, image, error }: ApiBatchFile): BatchFile => ({
  index,
  name,
  size,
  status,
  image: image?.id ?? null,
  thumbnail: image?.thumbnail ?? null,
  error: error ?? image?.error ?? null,
})

export const withChange = (file: BatchFile, { id, status, thumbnail, error }: ApiNotification): BatchFile => ({
  ...file,
  status,
  image: id,
  thumbnail,
  error,
})

/** `<batch>-<index>`: the index, or -1 for an image of another batch. */
export function indexIn(batch: string, jobId: string): number {
  return jobId.startsWith(`${batch}-`) ? Number(jobId.slice(batch.length + 1)) : -1
}
