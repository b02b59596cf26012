// From accounts to the wire, and the bodies that are taken about them.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ROLES, SCOPES } from '../../access.ts'
import type { Key } from '../../accounts/keys/key-store.ts'
import type { Session } from '../../accounts/sessions/session-store.ts'
import type { User } from '../../accounts/users/user-store.ts'
import type { AuditEntry } from '../../accounts/audit/audit-log.ts'
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../../accounts/users/passwords.ts'
import type { ApiAuditEntry, ApiKey, ApiSession, ApiUser } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'

/** No body about accounts is longer. */
export const ACCOUNT_BODY_LIMIT = 16 * 1024

const MAX_NAME_LENGTH = 100
const MAX_KEYS_PAGE = 500

/** Databases keep no NUL, and a list is no place for the other control characters. */
const oneLine = z
  .string()
  .trim()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .refine((text) => /^\P{Cc}*$/u.test(text), 'Expected one line of text')
  // The same for the API description: \P is not known to Python, nor \u to Go.
  .meta({ pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' })

export const email = z.string().trim().toLowerCase().max(254).meta({ format: 'email' }).pipe(z.email())
export const name = oneLine
export const role = z.enum(ROLES)
export const scopes = z.array(z.enum(SCOPES)).min(1).max(SCOPES.length)
/** That is typed: any, so that a wrong one is a wrong one. */
export const typedPassword = z.string().min(1).max(MAX_PASSWORD_LENGTH)
export const newPassword = z.string().min(MIN_PASSWORD_LENGTH).max(MAX_PASSWORD_LENGTH)
/** ISO 8601 with its offset; milliseconds since 1970. */
export const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))

/** Of a user; what is left out stays as it is, and null is the default of the server. */
export const quota = z.strictObject({ bytes: z.int().min(0).nullish(), images: z.int().min(0).nullish() })

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(MAX_KEYS_PAGE).default(100),
  cursor: z.string().max(2_000).optional(),
  q: z.string().max(200).optional(),
}

/** Of the routes of this instance: bodies are JSON or refused. */
export function takeJsonOnly(fastify: FastifyInstance): void {
  fastify.removeContentTypeParser('text/plain')
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
}

const iso = (at: number) => new Date(at).toISOString()
const isoOrNull = (at: number | null) => (at === null ? null : iso(at))

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
