// Who asks, and what they may: decided once at the edge, obeyed by every flow and every query.
import { CalotypeError } from './errors.ts'

/** What a request may do. Each route names the one it takes. */
export const SCOPES = ['upload', 'read', 'delete', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

export const ROLES = ['admin', 'member'] as const
export type Role = (typeof ROLES)[number]

/** Characters of a password that is chosen. */
export const MIN_PASSWORD_LENGTH = 12
export const MAX_PASSWORD_LENGTH = 200

export const DAY_MS = 24 * 60 * 60 * 1000

/** Who a request comes from. */
export interface Principal {
  /** How that is known: the server is open to everyone who reaches it, a session's cookie, an API key; or nobody said who they are. */
  via: 'open' | 'session' | 'key' | 'nobody'
  /** Null where there is no account: an open server, or nobody. */
  userId: string | null
  role: Role
  scopes: ReadonlySet<Scope>
  /** Of the session or the key; null without one. */
  credentialId: string | null
}

/** Of a server without accounts: everyone who reaches it may do everything. */
export const OPEN: Principal = { via: 'open', userId: null, role: 'admin', scopes: new Set(SCOPES), credentialId: null }

/** Of a server with accounts: who has not said who they are. */
export const NOBODY: Principal = { via: 'nobody', userId: null, role: 'member', scopes: new Set(), credentialId: null }

/** What a role may do at most, whatever its keys say. */
export const scopesOf = (role: Role): readonly Scope[] => (role === 'admin' ? SCOPES : SCOPES.filter((scope) => scope !== 'admin'))

/** What somebody may upload in a day (UTC); null is no end. */
export interface Quota {
  bytes: number | null
  images: number | null
}

/** When that begins anew. */
export const untilTomorrowSeconds = (nowMs = Date.now()) => Math.ceil((DAY_MS - (nowMs % DAY_MS)) / 1000)

/** Whose images are meant: those of one user, or everyone's. */
export type Owner = string | null

/**
 * Whose images someone sees and touches. A key of an administrator sees everyone's only if it has the scope for it. Throws `not_found`
 * for who has no account and is let in nevertheless: nothing is theirs.
 */
export function seesOf({ role, scopes, userId }: Principal): Owner {
  if (role === 'admin' && scopes.has('admin')) return null
  if (userId === null) throw new CalotypeError('not_found')
  return userId
}

/** Whether that is among what someone sees. */
export const isSeenBy = (sees: Owner, { ownerId }: { ownerId: string | null }): boolean => sees === null || ownerId === sees
