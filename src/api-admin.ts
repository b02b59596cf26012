// The wire of the admin area: what administrators see and do, under /api/admin/. All of it takes the scope `admin`.
import type { ApiError, ApiImage } from './api.ts'
import type { ErrorCode } from './errors.ts'
import type { Status } from './image.ts'

/** `GET /api/admin/overview`. Counts are kept, not counted, so that it is as quick with millions of images. */
export interface ApiOverview {
  /** Images by state, now. */
  images: Record<Status, number>
  /** Bytes of all images as they were uploaded: the same ones for each. */
  original_bytes: number
  /** Milliseconds the oldest pending image has waited; null without one. */
  oldest_pending_ms: number | null
  /** Finished images in each of the last 60 minutes, oldest first; the last is the minute that goes on. */
  minutes: { at: string; completed: number; failed: number }[]
  /** Failed images that are there, by code, most first. */
  failures: { code: ErrorCode; images: number }[]
  /** Bytes; null where it can't be told (a bucket has no end). */
  disk: { free_bytes: number; total_bytes: number } | null
  database_bytes: number
  workers: { alive: number; children: number; busy: number }
  pause: ApiPause | null
  deletion_halt: ApiDeletionHalt | null
}

/**
 * While the database and the store do not belong together, no original and no developed image is deleted. `calotype doctor` says what can
 * be done.
 */
export interface ApiDeletionHalt {
  /** `unknown_originals`: the store has originals that the database does not know. `another_store`: it has none of those that it knows. */
  reason: 'unknown_originals' | 'another_store'
  since: string
  /** Originals that the database does not know, and their bytes. */
  originals: number
  bytes: number
  /** For a person: what was found, and what to do. */
  message: string
}

/** `GET /api/admin/images?q=&status=&format=&batch=&owner=&code=&from=&to=&sort=&limit=&cursor=`, next page in Link. */
export interface ApiAdminImage extends ApiImage {
  owner: { id: string; email: string | null } | null
  attempts: number
}

/** `GET /api/admin/images/:id`: the image with its timeline, oldest first. */
export interface ApiImageDetail extends ApiAdminImage {
  timeline: {
    step: 'received' | 'recorded' | 'started' | 'finished' | 'failed' | 'aborted'
    at: string
    /** Milliseconds since the step before. */
    after_ms: number | null
    /** Of `started` and `finished`: the process that had it, as `GET /api/admin/workers` names it. */
    worker: string | null
    /** For a person: sizes, why it failed. */
    detail: string | null
  }[]
}

/**
 * `GET /api/admin/batches?state=open|done|failed&owner=&from=&to=&limit=&cursor=`: newest first, as ApiBatch with its owner. `open`: not all
 * of it is final; `done`: all is; `failed`: some of its images failed.
 */
export interface ApiAdminBatchOwner {
  owner: { id: string; email: string | null } | null
}

/** `GET /api/admin/failures`: one for each code, most first. */
export interface ApiFailureGroup {
  code: ErrorCode
  error: string
  images: number
  last_at: string
  /** Up to six, newest first. */
  samples: ApiImage[]
}

/** `GET /api/admin/workers`. */
export interface ApiWorker {
  /** `<host>-<pid>`. */
  id: string
  kind: 'server' | 'worker'
  started_at: string
  last_seen_at: string
  /** Said so within the last 15 seconds. */
  alive: boolean
  concurrency: number
  /** Children at work, and images each process has developed since it started. */
  busy: number
  developed: number
  /** What it has in hand. */
  in_hand: { id: string; name: string; started_at: string }[]
}

/** `GET /api/admin/queue`. */
export interface ApiQueue {
  pending: number
  processing: number
  oldest_pending_ms: number | null
  pause: ApiPause | null
}

/** While the queue is paused nothing new is begun; what is in hand is finished. It ends by itself. */
export interface ApiPause {
  by: string
  reason: string
  since: string
  until: string
}
/** `POST /api/admin/queue/pause`: at most 24 hours; answers ApiQueue. `POST /api/admin/queue/resume` ends it. */
export interface ApiPauseRequest {
  minutes: number
  reason?: string
}

/** What a bulk action is about: images by their ids, or all that a filter finds. */
export interface ApiImageSelection {
  ids?: string[]
  filter?: { q?: string; status?: Status; format?: string; batch?: string; owner?: string; code?: ErrorCode; from?: string; to?: string }
}

/** `POST /api/admin/selection/count` with an ApiImageSelection. */
export interface ApiSelectionCount {
  images: number
}

/** `POST /api/admin/jobs`: 201 with the job; 409 `count_changed` if the selection is by more than a tenth larger than was confirmed. */
export interface ApiJobRequest {
  action: 'delete' | 'retry'
  selection: ApiImageSelection
  /** What the person was asked to confirm. */
  confirmed: number
}

/** A bulk action in the background; it goes on when a server is started again. `GET /api/admin/jobs` (newest first, pages), `GET /api/admin/jobs/:id`, `POST /api/admin/jobs/:id/cancel`. */
export interface ApiJob {
  id: string
  action: 'delete' | 'retry'
  state: 'waiting' | 'running' | 'done' | 'cancelled' | 'failed'
  /** Looked at so far, changed of them, and how many there were to begin with. */
  seen: number
  changed: number
  total: number
  by: string
  created_at: string
  finished_at: string | null
  error: ApiError['error'] | null
}

/** `GET /api/admin/settings`: all of them, read-only, secrets masked. */
export interface ApiSetting {
  name: string
  value: string
  default: string
  help: string
  /** Set by the environment, or at its default. */
  is_set: boolean
  is_secret: boolean
}
