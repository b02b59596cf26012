// The contract of users: made, found, changed, and the links by which the first one comes in.
import type { Quota, Role } from '../../access.ts'
import type { PageOf } from '../../db/keyset.ts'
import type { Key } from '../keys/key-store.ts'
import type { SearchQuery } from '../text-search.ts'

export interface User {
  id: string
  /** In lower case. */
  email: string
  name: string
  role: Role
  /** Milliseconds since 1970, as all times here. */
  createdAt: number
  /** Null while the account may be used. */
  disabledAt: number | null
  /** Of their own; null is the default of the server. */
  quota: Quota
  /** What was taken from them since midnight, UTC. */
  usedToday: { bytes: number; images: number }
}

export interface NewUser extends Pick<User, 'id' | 'email' | 'name' | 'role'> {
  passwordHash: string
}

export interface UserChange {
  role?: Role
  name?: string
  disabled?: boolean
  /** What is left out stays. */
  quota?: { [K in keyof Quota]?: Quota[K] | undefined }
}

export interface PasswordChange {
  userId: string
  passwordHash: string
  /** The session that goes on; null ends all. */
  exceptSessionId: string | null
  /** Whether the API keys of the user end as well. */
  revokeKeys: boolean
}

export interface PasswordChanged {
  /** Ids of the sessions that ended. */
  endedSessions: string[]
  /** Keys that were revoked; those that had expired already are not among them. */
  revokedKeys: Pick<Key, 'id' | 'name'>[]
  /** How many keys of the user still work. */
  activeKeys: number
}

export interface UserStore {
  /** Throws `email_taken`. */
  addUser(user: NewUser): Promise<User>
  /** The first administrator, with one of the links; throws `setup_link_invalid` unless it is one, unused, in time, and nobody has an account. */
  addFirstUser(user: NewUser, setupTokenHash: string): Promise<User>
  hasUsers(): Promise<boolean>
  getUser(id: string): Promise<User | null>
  /** With its hash, for who wants to compare. `email` in lower case. */
  findUser(email: string): Promise<{ user: User; passwordHash: string } | null>
  /** Of those of `ids` who have an account, by their id. */
  emailsOf(ids: string[]): Promise<Map<string, string>>
  listUsers(query: SearchQuery): Promise<PageOf<User>>
  /** Null where there is no such user. Throws `last_admin` rather than leave none who may administer. Disabling ends what is returned. */
  changeUser(id: string, change: UserChange): Promise<{ user: User; ended: string[] } | null>
  /** In one transaction with what ends by it. */
  setPassword(change: PasswordChange): Promise<PasswordChanged>
  addSetupToken(tokenHash: string, lifetimeMs: number): Promise<void>
  /** Whether `addFirstUser` would take it now: one lookup, for before anything costly. */
  isSetupToken(tokenHash: string): Promise<boolean>
}
