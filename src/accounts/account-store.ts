// The contract of accounts: users, their sessions and keys, and the counting of wrong guesses.
import type { Principal, Role, Scope } from '../access.ts'

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
}

export interface NewUser extends Pick<User, 'id' | 'email' | 'name' | 'role'> {
  passwordHash: string
}

export interface Session {
  id: string
  userId: string
  createdAt: number
  lastSeenAt: number
  /** Its end, however much it is used. */
  expiresAt: number
  address: string
  userAgent: string
}

export interface NewSession extends Pick<Session, 'id' | 'userId' | 'address' | 'userAgent'> {
  tokenHash: string
}

export interface SessionLimits {
  /** Not used for so long, it ends. */
  idleMs: number
  /** So long after signing in, it ends. */
  maxMs: number
}

export interface Key {
  id: string
  /** The beginning of the secret. */
  prefix: string
  name: string
  userId: string
  email: string
  scopes: Scope[]
  createdAt: number
  expiresAt: number | null
  /** At most a minute old while it is used. */
  lastUsedAt: number | null
  revokedAt: number | null
}

export interface NewKey extends Pick<Key, 'id' | 'prefix' | 'name' | 'userId' | 'scopes' | 'expiresAt'> {
  tokenHash: string
}

export interface PageOf<T> {
  items: T[]
  /** The cursor of the next page; null on the last one. */
  next: string | null
}

export interface PageQuery {
  limit: number
  cursor?: string
  /** In e-mail addresses and names; upper and lower case are the same. */
  q?: string
}

export interface UserChange {
  role?: Role
  name?: string
  disabled?: boolean
}

/** Who is counted, and how many wrong guesses within `windowMs` are one's right. */
export interface AttemptLimit {
  subject: string
  most: number
}

/** Every secret comes and stays as its hash. An account that is disabled has no living session and no living key. */
export interface AccountStore {
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
  listUsers(query: PageQuery): Promise<PageOf<User>>
  /** Null where there is no such user. Throws `last_admin` rather than leave none who may administer. Disabling ends what is returned. */
  changeUser(id: string, change: UserChange): Promise<{ user: User; ended: string[] } | null>
  /** Ends every session of the user but `exceptSessionId`; returns the ids of those. */
  setPassword(userId: string, passwordHash: string, exceptSessionId: string | null): Promise<string[]>

  addSetupToken(tokenHash: string, lifetimeMs: number): Promise<void>

  addSession(session: NewSession, limits: SessionLimits): Promise<void>
  /** Who has this session, if it lives; using it puts its idle end off. */
  whoseSession(tokenHash: string, limits: SessionLimits): Promise<Principal | null>
  /** Those that live, the newest first. */
  listSessions(userId: string, limits: SessionLimits): Promise<Session[]>
  /** Whether there was such a session of the user. */
  endSession(id: string, userId: string): Promise<boolean>

  /** The owner's e-mail comes with it. */
  addKey(key: NewKey): Promise<Key>
  /** Who has this key, if it lives, with no more scopes than the role of its owner has; using it is noted. */
  whoseKey(tokenHash: string): Promise<Principal | null>
  /** Of one user, or everyone's; revoked and expired ones, too. The newest first. */
  listKeys(userId: string | null, query: PageQuery): Promise<PageOf<Key>>
  /** Of one user, or anyone's; null where there is no such key. Doing it twice does no harm. */
  revokeKey(id: string, userId: string | null): Promise<Key | null>

  /** Of these ids of sessions and keys, those that have ended. */
  endedOf(credentialIds: string[], limits: SessionLimits): Promise<string[]>

  /**
   * Counts a guess before it is looked at, so that many at once are not more than their number. Returns the seconds to wait where there
   * were too many already: then it is not counted. Otherwise a right guess is told to `forgive`.
   */
  countAttempt(id: string, limits: AttemptLimit[], windowMs: number): Promise<number | null>
  /** The guess was right: it was none, nor were those of the subject before. */
  forgive(attemptId: string, subject: string): Promise<void>

  /** Removes what has ended: sessions, links, guesses older than `windowMs`. */
  sweep(limits: SessionLimits, windowMs: number): Promise<void>
}
