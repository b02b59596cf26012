// From accounts to the wire, and the one who is signed in.
import type { FastifyRequest } from 'fastify'
import type { Key } from '../../accounts/keys/key-store.ts'
import type { Session } from '../../accounts/sessions/session-store.ts'
import type { User } from '../../accounts/users/user-store.ts'
import type { AuditEntry } from '../../accounts/audit/audit-log.ts'
import type { ApiKey } from '../../api/keys.ts'
import type { ApiAuditEntry } from '../../api/audit.ts'
import type { ApiSession, ApiUser } from '../../api/accounts.ts'
import { CalotypeError } from '../../errors.ts'
import { iso, isoOrNull } from './iso.ts'

/** No body about accounts is longer. */
export const ACCOUNT_BODY_LIMIT = 16 * 1024

export const toApiUser = ({ id, email, name, role, createdAt, disabledAt, quota, usedToday }: User): ApiUser => ({
  id,
  email,
  name,
  role,
  created_at: iso(createdAt),
  disabled_at: isoOrNull(disabledAt),
  quota,
  used_today: usedToday,
})

export const toApiSession = (session: Session, currentId: string | null): ApiSession => ({
  id: session.id,
  created_at: iso(session.createdAt),
  last_seen_at: iso(session.lastSeenAt),
  expires_at: iso(session.expiresAt),
  address: session.address,
  user_agent: session.userAgent,
  current: session.id === currentId,
})

export const toApiKey = (key: Key): ApiKey => ({
  id: key.id,
  prefix: key.prefix,
  name: key.name,
  owner: { id: key.userId, email: key.email },
  scopes: key.scopes,
  created_at: iso(key.createdAt),
  expires_at: isoOrNull(key.expiresAt),
  last_used_at: isoOrNull(key.lastUsedAt),
  revoked_at: isoOrNull(key.revokedAt),
})

export const toApiAuditEntry = (entry: AuditEntry): ApiAuditEntry => ({
  id: entry.id,
  at: iso(entry.at),
  user: entry.userId === null ? null : { id: entry.userId, email: entry.email },
  via: entry.via,
  credential: entry.credentialId,
  action: entry.action,
  target: entry.target,
  address: entry.address,
  detail: entry.detail,
})

/** The user of a route for who is signed in; an open server has none. */
export const signedIn = (request: Pick<FastifyRequest, 'principal'>): string => sessionOf(request).userId

export function sessionOf({ principal: { userId, credentialId } }: Pick<FastifyRequest, 'principal'>): {
  userId: string
  credentialId: string
} {
  if (userId === null || credentialId === null)
    throw new CalotypeError('forbidden', 'This server is open (AUTH=open): nobody has an account here.')
  return { userId, credentialId }
}
