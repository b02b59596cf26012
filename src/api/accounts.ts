// Accounts on the wire: users, their sessions and passwords.
import { z } from 'zod'
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, ROLES, SCOPES } from '../access.ts'
import { count, EXAMPLE_IDS, page, search, sent, time } from './common.ts'

const MAX_NAME_LENGTH = 100

export const scopes = () => z.array(z.enum(SCOPES))
export const VIA = ['open', 'session', 'key', 'nobody'] as const

export const user = sent(
  'User',
  () =>
    z.strictObject({
      id: z.uuid(),
      email: z.email(),
      name: z.string(),
      role: z.enum(ROLES),
      created_at: time(),
      disabled_at: time().nullable().describe('Null while the account may be used'),
      quota: z
        .strictObject({ bytes: count().nullable(), images: count().nullable() })
        .describe('What they may upload in a day (UTC), of their own; null is the default of the server'),
      used_today: z.strictObject({ bytes: count(), images: count() }).describe('What was taken from them since midnight, UTC'),
    }),
  {
    id: EXAMPLE_IDS.user,
    email: 'ada@example.org',
    name: 'Ada',
    role: 'member',
    created_at: '2026-11-20T09:00:00.000Z',
    disabled_at: null,
    quota: { bytes: null, images: 2_000 },
    used_today: { bytes: 2_483_112, images: 1 },
  },
)
export type ApiUser = z.output<typeof user.schema>

export const me = sent(
  'Me',
  () =>
    z.strictObject({
      auth: z.enum(['open', 'required']).describe('open: the server has no accounts, and everyone who reaches it may do everything'),
      via: z.enum(VIA),
      user: user.schema.nullable().describe('Null where nobody signed in, and on an open server'),
      scopes: scopes(),
    }),
  { auth: 'required', via: 'session', user: user.example, scopes: ['upload', 'read', 'delete'] },
)
/** `GET /api/auth/me`, and the answer to signing in. */
export type ApiMe = z.output<typeof me.schema>

const withPassword = () => ({
  user: user.schema,
  password: z.string().nullable().describe('The one that was made, shown this once; null where one was given'),
})
const keysAfter = () => ({
  active_keys: count().describe('How many API keys of the user still work'),
  revoked_keys: count().describe('How many were revoked with the old password'),
})

/** A user who was made. */
export const userWithPassword = sent('UserWithPassword', () => z.strictObject(withPassword()), {
  user: user.example,
  password: 'mZrk2n0s4Xy1QwT8uVb6cD3e',
})
export type ApiUserWithPassword = z.output<typeof userWithPassword.schema>

export const passwordChanged = sent('PasswordChanged', () => z.strictObject(keysAfter()), { active_keys: 0, revoked_keys: 2 })
/** What became of the API keys of somebody whose password changed. */
export type ApiPasswordChanged = z.output<typeof passwordChanged.schema>

export const passwordReset = sent('PasswordReset', () => z.strictObject({ ...withPassword(), ...keysAfter() }), {
  user: user.example,
  password: null,
  active_keys: 2,
  revoked_keys: 0,
})
/** A user whose password was reset. */
export type ApiPasswordReset = z.output<typeof passwordReset.schema>

export const session = sent(
  'Session',
  () =>
    z.strictObject({
      id: z.uuid(),
      created_at: time(),
      last_seen_at: time(),
      expires_at: time(),
      address: z.string(),
      user_agent: z.string(),
      current: z.boolean().describe('The one that asks'),
    }),
  {
    id: EXAMPLE_IDS.session,
    created_at: '2026-11-25T08:00:00.000Z',
    last_seen_at: '2026-11-25T10:00:00.000Z',
    expires_at: '2026-12-25T08:00:00.000Z',
    address: '192.0.2.7',
    user_agent: 'Mozilla/5.0',
    current: true,
  },
)
export type ApiSession = z.output<typeof session.schema>

/** Databases keep no NUL, and a list is no place for the other control characters. */
export const name = z
  .string()
  .trim()
  .min(1)
  .max(MAX_NAME_LENGTH)
  .refine((text) => /^\P{Cc}*$/u.test(text), 'Expected one line of text')
  // The same for the API description: \P is not known to Python, nor \u to Go.
  .meta({ pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' })

const email = z.string().trim().toLowerCase().max(254).meta({ format: 'email' }).pipe(z.email())
const role = z.enum(ROLES)
/** Any, so that a wrong one is refused as a wrong one. */
const typedPassword = z.string().min(1).max(MAX_PASSWORD_LENGTH)
const newPassword = z.string().min(MIN_PASSWORD_LENGTH).max(MAX_PASSWORD_LENGTH)
/** What is left out stays as it is, and null is the default of the server. */
const quota = z.strictObject({ bytes: z.int().min(0).nullish(), images: z.int().min(0).nullish() })

export const loginBody = z.object({ email, password: typedPassword })
export const setupBody = z.object({ token: z.string().min(1).max(100), email, password: newPassword, name })
export const passwordBody = z.object({ current: typedPassword, password: newPassword, revoke_keys: z.boolean().optional() })

/** For `z.object`: a page of users, keys or entries of the audit log, found by a text. */
export const pageQuery = { ...page(500, 100), q: search }
export const usersQuery = z.object(pageQuery)
export const userBody = z.object({ email, name, role, password: newPassword.optional() })
export const changeUserBody = z.strictObject({
  role: role.optional(),
  name: name.optional(),
  disabled: z.boolean().optional(),
  quota: quota.optional(),
})
export const resetPasswordBody = z.object({ password: newPassword.optional(), revoke_keys: z.boolean().optional() }).nullish()
