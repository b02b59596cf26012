// The wire: what clients send and receive. Types and their making from an image; shared with web/ (types only).
import type { ErrorCode } from './errors.ts'
import type { Status } from './image.ts'

export interface ApiImage {
  id: string
  /** `<batch uuid>-<index>`: the file's place in what was sent. */
  job_id: string
  name: string
  /** Media type of the original, by its signature. */
  type: string
  /** Bytes of the original. */
  size: number
  status: Status
  /** ISO 8601, UTC. */
  uploaded_at: string
  finished_at: string | null
  /** From received to finished, for a person: `"0.5 seconds"`. */
  upload_time: string | null
  /** URL of the developed image, once completed. */
  image: string | null
  /** URL of the 320 px WebP. */
  thumbnail: string | null
  /** Base64. */
  thumbhash: string | null
  /** Of the developed image, in pixels. */
  width: number | null
  height: number | null
  /** A sentence for a person, and its stable code. */
  error: string | null
  code: ErrorCode | null
}

/** A file of an upload that was not taken. */
export interface ApiRejected {
  name: string
  code: ErrorCode
  error: string
}

export interface ApiUploaded {
  message: string
  image: ApiImage
}

export interface ApiInitiated {
  message: string
  /** The batch: `GET /api/batches/<job_id>`. */
  job_id: string
  images: ApiImage[]
  rejected: ApiRejected[]
}

export interface ApiBatch {
  id: string
  kind: 'sync' | 'async' | 'batch'
  created_at: string
  /** When the whole body was in and acknowledged; null while it arrives. */
  received_at: string | null
  /** When its last image was final; null before. */
  finished_at: string | null
  images: number
  counts: Record<Status, number> & { rejected: number }
  rejected: ApiRejected[]
}

export interface ApiError {
  error: string
  code: ErrorCode
}

/** One message of `WS /ws/upload/` about one image. */
export interface ApiNotification {
  type: 'send_upload_notification'
  job_id: string
  status: Status
  image: string | null
  thumbnail: string | null
  id: string
  name: string
  size: number
  message: string
  upload_time: string | null
  error: string | null
  code: ErrorCode | null
  /** Opaque: hand the last one back as `?since=` to hear what was missed. */
  seq: string
}
