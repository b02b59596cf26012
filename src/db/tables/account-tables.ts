// The tables of accounts: who may come in, by what, and what they did. Times are milliseconds since 1970, UTC.
import type { Generated } from 'kysely'
import type { Role } from '../../access.ts'

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
  /** Of their own; null is the default of the server. */
  quota_bytes: number | null
  quota_images: number | null
}

/** What a user has uploaded and declared in a day; on an open server everyone is one, without an id. */
export interface UsageDaysTable {
  user_id: string
  /** Days since 1970, UTC. */
  day: number
  bytes: number
  images: number
  /** Files that were declared, whatever became of them, and bytes of what is kept about them. */
  declared_files: Generated<number>
  declared_bytes: Generated<number>
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
