// The wire: what clients send and receive. Types and their making from an image; shared with web/ (types only).
import type { Quota, Role, Scope } from './access.ts'
import type { ErrorCode } from './errors.ts'
import type { FileStatus, Status } from './image.ts'

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
  /** Its place in what was sent; of a declared batch, in the declaration, if it had one there. */
  index?: number
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

/** One file of `POST /api/batches`. */
export interface ApiFileToDeclare {
  name: string
  /** Bytes. */
  size: number
  /** 64 lower hex digits: a file whose bytes are here already is not sent again. */
  sha256?: string
}

/** What became of a declared file at once: to be sent, here already as this image, or refused. */
export type ApiDeclaredFile =
  { state: 'needed' } | { state: 'known'; image: string } | { state: 'rejected'; code: ErrorCode; error: string }

/** A batch that was declared; its files are sent to `/api/async/batch/upload?batch=<id>`, each with its `index`. */
export interface ApiDeclared {
  id: string
  declared: number
  /** Until then it can be resumed. */
  expires_at: string
  /** In the order of the request. */
  files: ApiDeclaredFile[]
}

export type BatchFileStatus = FileStatus

/** The ledger of a batch: the counts of the eight states add up to `declared` at every moment. */
export interface ApiBatch extends Record<BatchFileStatus, number> {
  id: string
  kind: 'sync' | 'async' | 'batch'
  created_at: string
  /** When it was acknowledged: the whole body in, or its files declared; null before. */
  received_at: string | null
  /** When its last file was final; null before. */
  finished_at: string | null
  /** When what is missing of a declared batch expires; null unless declared. */
  expires_at: string | null
  /** Its files: those that were declared; else those that were sent. */
  declared: number
}

/** A file of a batch: `GET /api/batches/<id>?status=`. */
export interface ApiBatchFile {
  /** Its place in the declaration, or in what was sent. */
  index: number
  name: string
  /** Bytes: of its original, or as declared. */
  size: number
  status: BatchFileStatus
  /** Once it was received. */
  image: ApiImage | null
  /** Why it is rejected or failed. */
  code: ErrorCode | null
  error: string | null
}

/** `GET /api/images/count`. */
export interface ApiCount {
  images: number
}

/** `POST /api/images/delete`. */
export interface ApiDeleted {
  deleted: number
}

/** `POST /api/images/retry`. */
export interface ApiRetried {
  retried: number
}

/** `GET /api/events?since=`: what a watcher would have heard since. */
export interface ApiEvents {
  events: ApiNotification[]
  /** Where to go on: the next `since`. */
  last: string
  /** What was missed is no longer known: read the lists again. */
  resync: boolean
}

/** `GET /api/auth/me`, and the answer to signing in. */
export interface ApiMe {
  /** Of the server: `open` has no accounts, and everyone who reaches it may do everything. */
  auth: 'open' | 'required'
  via: 'open' | 'session' | 'key' | 'nobody'
  /** Null where nobody signed in, and on an open server. */
  user: ApiUser | null
  scopes: Scope[]
}

export interface ApiUser {
  id: string
  email: string
  name: string
  role: Role
  /** ISO 8601, UTC, as all times. */
  created_at: string
  /** Null while the account may be used. */
  disabled_at: string | null
  /** What they may upload in a day (UTC), of their own; null is the default of the server. */
  quota: Quota
  /** What was taken from them since midnight, UTC. */
  used_today: { bytes: number; images: number }
}

/** What became of the API keys of who has another password. */
export interface ApiPasswordChanged {
  /** So many of their keys still work. */
  active_keys: number
  /** So many were revoked with the old password. */
  revoked_keys: number
}

/** A user whose password was reset. */
export interface ApiPasswordReset extends ApiUserWithPassword, ApiPasswordChanged {}

/** A user who was made. */
export interface ApiUserWithPassword {
  user: ApiUser
  /** The one that was made, shown this once; null where one was given. */
  password: string | null
}

export interface ApiSession {
  id: string
  created_at: string
  last_seen_at: string
  expires_at: string
  address: string
  user_agent: string
  /** The one that asks. */
  current: boolean
}

export interface ApiKey {
  id: string
  /** The beginning of the key. */
  prefix: string
  name: string
  owner: { id: string; email: string }
  scopes: Scope[]
  created_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
}

export interface ApiNewKey extends ApiKey {
  /** For `Authorization: Bearer`; shown this once. */
  key: string
}

export interface ApiAuditEntry {
  id: string
  at: string
  /** Who: null where nobody signed in, on an open server, and for commands. */
  user: { id: string; email: string | null } | null
  via: 'open' | 'session' | 'key' | 'nobody' | 'cli'
  /** Of the session or key. */
  credential: string | null
  action: string
  target: { kind: string; id: string } | null
  address: string | null
  detail: Record<string, unknown>
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
