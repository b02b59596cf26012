// The contract of accounts: users, their sessions and keys, and the counting of wrong guesses.
import type { Principal, Quota, Role, Scope } from '../access.ts'

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
  /** What is left out stays. */
  quota?: { [K in keyof Quota]?: Quota[K] | undefined }
}

/** What wrong guesses are counted by: an account, an address, both together, a known device, a session. */
export interface AttemptSubject {
  kind: string
  id: string
}

/** How many wrong guesses of `subject` within `windowMs` are free, and how long to wait beyond them. */
export interface AttemptLimit {
  subject: AttemptSubject
  windowMs: number
  free: number
  /** What has to pass since the last of `free + beyond - 1` wrong guesses. Without it, the oldest of them has to leave the window. */
  delayMs?: (beyond: number) => number
}

/** Which limit a guess met, and when to try again. */
export interface AttemptRefusal {
  limit: AttemptLimit
  retryAfterSeconds: number
}

/** Guesses of this kind are counted for so long. */
export interface AttemptRetention {
  kind: string
  windowMs: number
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
  /** In one transaction with what ends by it. */
  setPassword(change: PasswordChange): Promise<PasswordChanged>

  addSetupToken(tokenHash: string, lifetimeMs: number): Promise<void>
  /** Whether `addFirstUser` would take it now: one lookup, for before anything costly. */
  isSetupToken(tokenHash: string): Promise<boolean>

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

  /** Who has these sessions and keys now, by their ids. Those that have ended are not in it. */
  whose(credentialIds: string[], limits: SessionLimits): Promise<Map<string, Principal>>

  /** The limit that makes a guess wait the longest at the moment; null where it need not wait. Nothing is counted. */
  refusalOf(limits: AttemptLimit[]): Promise<AttemptRefusal | null>
  /**
   * Counts a guess before it is looked at, exactly: of many at once, on however many servers, no more than the limits allow are counted.
   * Returns the limit that makes it wait the longest: then it is not counted. Otherwise a right guess is told to `forgive`.
   */
  countAttempt(id: string, limits: AttemptLimit[]): Promise<AttemptRefusal | null>
  /** The guess was right: it was none, nor were those of `subject` before it, which are taken out of the counts of `alsoIn` as well. */
  forgive(attemptId: string, subject: AttemptSubject, alsoIn: AttemptSubject[]): Promise<void>
  /** As if nobody had ever guessed at `subject`. */
  forgetAttempts(subject: AttemptSubject): Promise<void>

  /** Removes what has ended: sessions, links, guesses that count no more; and what was used in days long past. */
  sweep(limits: SessionLimits, attempts: readonly AttemptRetention[]): Promise<void>
}
