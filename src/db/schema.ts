// The database, as Kysely sees it: the rows are the truth about every image.
import type { Compilable, Kysely, RawBuilder, Selectable } from 'kysely'
import type {
  ApiKeysTable,
  AuditLogTable,
  LoginAttemptsTable,
  SessionsTable,
  SetupTokensTable,
  UsageDaysTable,
  UsersTable,
} from './tables/account-tables.ts'
import type { JobsTable, PausesTable, WorkersTable } from './tables/admin-tables.ts'
import type {
  BatchesTable,
  DeclaredFilesTable,
  IdempotencyKeysTable,
  ImagesTable,
  KeptFilesView,
  KeptImagesView,
  OriginalsTable,
  RecipeOutputsTable,
  RenditionsTable,
} from './tables/journey-tables.ts'
import type { KnownStoreTable } from './tables/store-tables.ts'

export interface Schema {
  batches: BatchesTable
  declared_files: DeclaredFilesTable
  images: ImagesTable
  originals: OriginalsTable
  recipe_outputs: RecipeOutputsTable
  renditions: RenditionsTable
  known_store: KnownStoreTable
  idempotency_keys: IdempotencyKeysTable
  kept_images: KeptImagesView
  kept_files: KeptFilesView
  users: UsersTable
  usage_days: UsageDaysTable
  sessions: SessionsTable
  api_keys: ApiKeysTable
  login_attempts: LoginAttemptsTable
  setup_tokens: SetupTokensTable
  audit_log: AuditLogTable
  workers: WorkersTable
  pauses: PausesTable
  jobs: JobsTable
}

export type ImageRow = Selectable<ImagesTable>
export type DeclaredFileRow = Selectable<DeclaredFilesTable>
export type OriginalRow = Selectable<OriginalsTable>
export type RenditionRow = Selectable<RenditionsTable>

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
  /**
   * Runs queries that do not depend on each other's results as one transaction, in as few round trips as the database has. What `mayBeLost`
   * survives the end of every process; the end of the machine can undo it, with all that came after it and was not durable.
   */
  transact<const Queries extends readonly Compilable<unknown>[]>(
    queries: Queries,
    options?: { mayBeLost?: boolean },
  ): Promise<RowsOf<Queries>>
  /** All that `body` reads is as of one moment, however long it takes. Nothing else reads here meanwhile. */
  snapshot<T>(body: (rows: Kysely<Schema>) => Promise<T>): Promise<T>
  /** Connections that are open, those in use, and how many wait for one. */
  connections(): { open: number; inUse: number; waiting: number }
  close(): Promise<void>
}
