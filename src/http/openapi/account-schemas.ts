// The wire of accounts as schemas, for the API description alone.
import { z } from 'zod'
import { ROLES, SCOPES } from '../../access.ts'
import type {
  ApiAuditEntry,
  ApiKey,
  ApiMe,
  ApiNewKey,
  ApiPasswordChanged,
  ApiPasswordReset,
  ApiSession,
  ApiUser,
  ApiUserWithPassword,
} from '../../api.ts'
import { count, named, time } from './wire-schemas.ts'

const scopes = z.array(z.enum(SCOPES))
const via = ['open', 'session', 'key', 'nobody'] as const

export const user = named(
  'User',
  z.strictObject({
    id: z.uuid(),
    email: z.email(),
    name: z.string(),
    role: z.enum(ROLES),
    created_at: time,
    disabled_at: time.nullable().describe('Null while the account may be used'),
    quota: z
      .strictObject({ bytes: count.nullable(), images: count.nullable() })
      .describe('What they may upload in a day (UTC), of their own; null is the default of the server'),
    used_today: z.strictObject({ bytes: count, images: count }).describe('What was taken from them since midnight, UTC'),
  }),
) satisfies z.ZodType<ApiUser>

export const me = named(
  'Me',
  z.strictObject({
    auth: z.enum(['open', 'required']).describe('open: the server has no accounts, and everyone who reaches it may do everything'),
    via: z.enum(via),
    user: user.nullable(),
    scopes,
  }),
) satisfies z.ZodType<ApiMe>

const withPassword = {
  user,
  password: z.string().nullable().describe('The one that was made, shown this once; null where one was given'),
}
const keysAfter = {
  active_keys: count.describe('How many API keys of the user still work'),
  revoked_keys: count.describe('How many were revoked with the old password'),
}
export const userWithPassword = named('UserWithPassword', z.strictObject(withPassword)) satisfies z.ZodType<ApiUserWithPassword>
export const passwordChanged = named('PasswordChanged', z.strictObject(keysAfter)) satisfies z.ZodType<ApiPasswordChanged>
export const passwordReset = named('PasswordReset', z.strictObject({ ...withPassword, ...keysAfter })) satisfies z.ZodType<ApiPasswordReset>

export const session = named(
  'Session',
  z.strictObject({
    id: z.uuid(),
    created_at: time,
    last_seen_at: time,
    expires_at: time,
    address: z.string(),
    user_agent: z.string(),
    current: z.boolean().describe('The one that asks'),
  }),
) satisfies z.ZodType<ApiSession>

const keyFields = {
  id: z.uuid(),
  prefix: z.string().describe('The beginning of the key'),
  name: z.string(),
  owner: z.strictObject({ id: z.uuid(), email: z.email() }),
  scopes,
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
  revoked_at: time.nullable(),
}
export const key = named('Key', z.strictObject(keyFields)) satisfies z.ZodType<ApiKey>
export const newKey = named(
  'NewKey',
  z.strictObject({ ...keyFields, key: z.string().describe('For `Authorization: Bearer`; shown this once') }),
) satisfies z.ZodType<ApiNewKey>

export const auditEntry = named(
  'AuditEntry',
  z.strictObject({
    id: z.uuid(),
    at: time,
    user: z.strictObject({ id: z.uuid(), email: z.string().nullable() }).nullable(),
    via: z.enum([...via, 'cli']),
    credential: z.string().nullable().describe('Of the session or key'),
    action: z.string(),
    target: z.strictObject({ kind: z.string(), id: z.string() }).nullable(),
    address: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
  }),
) satisfies z.ZodType<ApiAuditEntry>
