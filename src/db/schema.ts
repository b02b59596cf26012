// The tables, as Kysely sees them: the rows are the truth about every image. Times are milliseconds since 1970, UTC.
import type { Compilable, Generated, Kysely, RawBuilder, Selectable } from 'kysely'
import type { Role } from '../access.ts'
import type { ErrorCode } from '../errors.ts'
import type { FileStatus, Format, Status } from '../image.ts'

/** One upload request, or one declaration of files that come in any number of requests. */
export interface BatchesTable {
  id: string
  kind: 'sync' | 'async' | 'batch'
  /** Who sends it; null on an open server. Its images are theirs. */
  owner_id: string | null
  created_at: number
  /** When the whole body was durable and acknowledged; null while it arrives. */
  received_at: number | null
  /** When its body was cut off; its images are swept. */
  aborted_at: number | null
  /** JSON: the files that were not taken. */
  rejected: string
  /** While it arrives: when the server that receives it is given up. */
  lease_until: number | null
  /** How many files were declared, deleted ones not counted; null unless it was declared. */
  declared: number | null
  /** When what is missing of a declared batch expires. */
  expires_at: number | null
  /** When that was done. */
  expired_at: number | null
  /** When it was cancelled first. */
  cancelled_at: number | null
  /** When it ended, cancelled or expired, without an image: none will ever come, and it is removed some time after. */
  empty_since: number | null
}

/** One file of a declared batch. Each that is `received` has an image in its place, and its state is that of the image. */
export interface DeclaredFilesTable {
  batch_id: string
  file_index: number
  name: string
  size: number
  sha256: string | null
  status: 'needed' | 'received' | 'rejected' | 'aborted' | 'expired'
  /** Why it is rejected. */
  code: ErrorCode | null
  error: string | null
  /** When it was rejected, aborted or expired. */
  finished_at: number | null
}

/** One uploaded file. */
export interface ImagesTable {
  id: string
  batch_id: string
  /** As of its batch. */
  owner_id: string | null
  batch_index: number
  name: string
  format: Format
  size: number
  sha256: string
  recipe: string
  status: Status
  uploaded_at: number
  finished_at: number | null
  /** Why it failed, while its status is `error`; beside the development's, so that it can be counted by the row alone. */
  code: ErrorCode | null
}

/** One original and one recipe: the unit of work, shared by all images with the same bytes. */
export interface DevelopmentsTable {
  sha256: string
  recipe: string
  format: Format
  status: 'pending' | 'processing' | 'completed' | 'error'
  finished_at: number | null
  width: number | null
  height: number | null
  image_size: number | null
  thumbnail_size: number | null
  thumbhash: string | null
  code: ErrorCode | null
  error: string | null
  /** While processing: who has it, and until when. A result is taken only from who has it. */
  lease_token: string | null
  lease_until: number | null
  /** How often it was claimed, for the outcome it has or since the one before. */
  attempts: Generated<number>
  /** When it was claimed last, and by which process. */
  started_at: number | null
  worker: string | null
}

/** The bytes of an original in the blob store. */
export interface OriginalsTable {
  sha256: string
  size: number
  /**
   * When the last image that used it went; null while one does. Its bytes are collected a grace period later. In the future: its
   * bytes are about to be stored, and have no image yet.
   */
  released_at: number | null
  /** Set while its bytes are being removed: who uploads them again now has to wait. */
  collecting_at: number | null
}

/** Repeats of an upload get the answer of the first. */
export interface IdempotencyKeysTable {
  key: string
  batch_id: string
  created_at: number
  /** Of what was sent; null while the first upload is still arriving. */
  fingerprint: string | null
  /** JSON, word for word; null for a sync upload, whose answer is the outcome of its image. */
  answer: string | null
  /** While the first upload arrives: when the server that receives it is given up. */
  lease_until: number | null
}

/** How many images there are, kept by the database; several rows may have to be added up. A view. */
export interface KeptImagesView {
  /** Empty: without an owner. */
  owner_id: string
  status: Status
  /** Empty: none. */
  code: ErrorCode | ''
  images: number
  /** Of originals; one that several images share is counted for each. */
  bytes: number
}

/** Where the files of a batch stand, likewise; those without an image too. A view. */
export interface KeptFilesView {
  batch_id: string
  status: FileStatus
  files: number
  /** When the last of them was finished, if one was; else 0. */
  last_at: number
}

/** Whoever has an account. */
export interface UsersTable {
  id: string
  /** In lower case, as everything that is compared with it. */
  email: string
  name: string
  role: Role
  password_hash: string
  created_at: number
  disabled_at: number | null
}

/** Who is signed in. */
export interface SessionsTable {
  id: string
  /** SHA-256, hex: the token itself is only in the cookie. */
  token_hash: string
  user_id: string
  created_at: number
  /** At most a minute old while it is used. */
  last_seen_at: number
  /** The end, however much it is used. */
  expires_at: number
  address: string
  user_agent: string
}

/** What programs say who they are by. */
export interface ApiKeysTable {
  id: string
  token_hash: string
  /** Its beginning, for people to tell keys apart. */
  prefix: string
  name: string
  user_id: string
  /** Separated by spaces. */
  scopes: string
  created_at: number
  expires_at: number | null
  /** Written at most once a minute. */
  last_used_at: number | null
  revoked_at: number | null
}

/** A guess at a password: counted by account and by address, and removed when it was right. */
export interface LoginAttemptsTable {
  attempt_id: string
  subject: string
  at: number
}

/** Links by which the first administrator makes an account. */
export interface SetupTokensTable {
  token_hash: string
  expires_at: number
}

/** Who did what. The database refuses to change or delete a row. */
export interface AuditLogTable {
  id: string
  at: number
  user_id: string | null
  /** As it was then. */
  email: string | null
  via: string
  credential_id: string | null
  action: string
  target_kind: string | null
  target_id: string | null
  address: string | null
  /** JSON, an object. */
  detail: string
}

/** Processes that develop, as they say of themselves. */
export interface WorkersTable {
  /** `<host>-<pid>`. */
  id: string
  kind: 'server' | 'worker'
  started_at: number
  seen_at: number
  concurrency: number
  busy: number
  developed: number
}

/** While its one row's time is not over, no work is claimed. */
export interface PausesTable {
  id: number
  paused_by: string
  reason: string
  since_at: number
  until_at: number
}

/** What is done to many images, in steps. */
export interface JobsTable {
  id: string
  action: 'delete' | 'retry'
  /** JSON: the images it is about. */
  selection: string
  state: 'waiting' | 'running' | 'done' | 'cancelled' | 'failed'
  seen: Generated<number>
  changed: Generated<number>
  total: number
  /** Where the last step ended. */
  cursor: string | null
  /** JSON: the ids that the step in hand is about, until it is done. */
  step: string | null
  /** JSON: for the audit log. */
  actor: string
  /** For people: an e-mail address, or where it came from. */
  made_by: string
  created_at: number
  finished_at: number | null
  error: string | null
  lease_token: string | null
  lease_until: number | null
}

export interface Schema {
  workers: WorkersTable
  pauses: PausesTable
  jobs: JobsTable
  batches: BatchesTable
  declared_files: DeclaredFilesTable
  images: ImagesTable
  developments: DevelopmentsTable
  originals: OriginalsTable
  idempotency_keys: IdempotencyKeysTable
  kept_images: KeptImagesView
  kept_files: KeptFilesView
  users: UsersTable
  sessions: SessionsTable
  api_keys: ApiKeysTable
  login_attempts: LoginAttemptsTable
  setup_tokens: SetupTokensTable
  audit_log: AuditLogTable
}

export type ImageRow = Selectable<ImagesTable>
export type DeclaredFileRow = Selectable<DeclaredFilesTable>
export type DevelopmentRow = Selectable<DevelopmentsTable>

/** The rows that each of several queries returns. */
export type RowsOf<Queries extends readonly Compilable<unknown>[]> = {
  [K in keyof Queries]: Queries[K] extends Compilable<infer Row> ? Row[] : never
}

/** All rows whose name may have a part, and few others, by an index: `key` of `images` is among `rows`. Its case is no matter. */
export interface NamesFound {
  key: RawBuilder<unknown>
  rows: RawBuilder<unknown>
}

/** Told of each round trip: how many statements, for how long, and whether one of them failed. */
export type OnRoundTrip = (trip: { statements: number; ms: number; failed: boolean }) => void

/**
 * Two ways in: `write` serialises transactions, `read` never waits for them. What `write` has committed, `read` sees.
 */
export interface Database {
  write: Kysely<Schema>
  read: Kysely<Schema>
  /** The time by the database's clock, which all servers share: milliseconds since 1970, as an expression. */
  now: RawBuilder<number>
  /** Bytes of everything in it, as an expression. */
  sizeBytes: RawBuilder<number>
  /** Whether rows that another transaction holds can be passed over; a database with one writer has no such thing. */
  canSkipLocked: boolean
  /** Whether every statement is a round trip to another process, so that fewer of them are worth a short wait. */
  isRemote: boolean
  /** Finds names by a part of them; null where there is no index of names. */
  findNames: ((part: string) => NamesFound | null) | null
  /** Runs queries that do not depend on each other's results as one transaction, in as few round trips as the database has. */
  transact<const Queries extends readonly Compilable<unknown>[]>(queries: Queries): Promise<RowsOf<Queries>>
  /** All that `body` reads is as of one moment, however long it takes. Nothing else reads here meanwhile. */
  snapshot<T>(body: (rows: Kysely<Schema>) => Promise<T>): Promise<T>
  /** Connections that are open, those in use, and how many wait for one. */
  connections(): { open: number; inUse: number; waiting: number }
  close(): Promise<void>
}
