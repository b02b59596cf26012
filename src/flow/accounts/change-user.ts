// Users made and changed by administrators, and passwords changed by whoever may.
import { randomBytes } from 'node:crypto'
import { newId } from '../../new-id.ts'
import type { Role } from '../../access.ts'
import type { PasswordChange, User, UserChange } from '../../accounts/users/user-store.ts'
import type { Actor } from '../../accounts/audit/audit-log.ts'
import { deviceToken, newDeviceId } from '../../accounts/sessions/known-device.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from './account-deps.ts'
import { accountSubject } from './guess-limits.ts'
import { confirmPassword, networkOf } from './guess-password.ts'

type Deps = Omit<AccountDeps, 'sessionLimits'>

/** 144 bits, in letters that can be copied. */
const newPassword = () => randomBytes(18).toString('base64url')

/** Without a password, one is made and returned: shown once. Throws `email_taken`. */
export async function addUser(
  deps: Deps,
  actor: Actor,
  { email, name, role, password }: { email: string; name: string; role: Role; password?: string | undefined },
): Promise<{ user: User; password: string | null }> {
  // Before anything costly; the insert has the last word.
  if ((await deps.accounts.findUser(email.toLowerCase())) !== null) throw new CalotypeError('email_taken')
  const given = password ?? newPassword()
  const passwordHash = await deps.passwords.hash(given, queueOf(actor))
  const user = await deps.accounts.addUser({ id: newId(), email, name, role, passwordHash })
  await deps.audit.record({ actor, action: 'user.created', target: { kind: 'user', id: user.id }, detail: { email: user.email, role } })
  return { user, password: password === undefined ? given : null }
}

/** Null where there is no such user. Throws `last_admin`. Who is disabled is signed out everywhere. */
export async function changeUser(deps: Deps, actor: Actor, id: string, change: UserChange): Promise<User | null> {
  const changed = await deps.accounts.changeUser(id, change)
  if (changed === null) return null
  deps.accessChanges.announce({ ended: changed.ended, ...(change.role !== undefined && { userId: id }) })
  const detail = { email: changed.user.email, ...change }
  await deps.audit.record({ actor, action: 'user.changed', target: { kind: 'user', id }, detail })
  return changed.user
}

/** What became of the API keys of who has another password. */
export interface KeysAfter {
  /** So many still work. */
  activeKeys: number
  /** So many were revoked with it. */
  revokedKeys: number
}

/**
 * Without a password, one is made and returned: shown once. The user is signed out everywhere, and may try to sign in at once, however
 * many wrong guesses there were. Their API keys go on working unless `revokeKeys`. Null where there is no such user.
 */
export async function resetPassword(
  deps: Deps,
  actor: Actor,
  id: string,
  { password, revokeKeys = false }: { password?: string | undefined; revokeKeys?: boolean | undefined } = {},
): Promise<({ user: User; password: string | null } & KeysAfter) | null> {
  const user = await deps.accounts.getUser(id)
  if (user === null) return null
  const given = password ?? newPassword()
  const passwordHash = await deps.passwords.hash(given, queueOf(actor))
  const keys = await setPassword(deps, actor, user, { passwordHash, exceptSessionId: null, revokeKeys })
  await deps.accounts.forgetAttempts(accountSubject(user.email))
  await deps.audit.record({
    actor,
    action: 'user.password_reset',
    target: { kind: 'user', id },
    detail: { email: user.email, ...toDetail(keys) },
  })
  return { user, password: password === undefined ? given : null, ...keys }
}

/**
 * One's own, knowing the current one. Every other session ends, and every device that was known is known no more; `device` makes this one
 * known again. API keys go on working unless `revokeKeys`. Throws `wrong_password` and `too_many_attempts`.
 */
export async function changePassword(
  deps: Deps,
  actor: Actor & { userId: string; address: string; credentialId: string },
  { current, next, revokeKeys = false }: { current: string; next: string; revokeKeys?: boolean | undefined },
): Promise<{ device: string } & KeysAfter> {
  const { userId, address, credentialId } = actor
  const email = (await deps.accounts.getUser(userId))?.email ?? ''
  const target = { kind: 'user', id: userId }
  const right = await confirmPassword(deps, { email, password: current, address }, credentialId)
  if (right === null) {
    await deps.audit.record({ actor, action: 'user.password_change_failed', target })
    throw new CalotypeError('wrong_password', 'The current password is wrong.')
  }
  const passwordHash = await deps.passwords.hash(next, queueOf(actor))
  const keys = await setPassword(deps, actor, right.user, { passwordHash, exceptSessionId: credentialId, revokeKeys })
  await deps.audit.record({ actor, action: 'user.password_changed', target, detail: toDetail(keys) })
  return { device: deviceToken({ userId, passwordHash }, newDeviceId()), ...keys }
}

/** Each key that is revoked has an entry of its own in the audit log, where whoever looks for it finds it. */
async function setPassword(
  { accounts, accessChanges, audit }: Deps,
  actor: Actor,
  { id: userId, email }: User,
  change: Omit<PasswordChange, 'userId'>,
): Promise<KeysAfter> {
  const { endedSessions, revokedKeys, activeKeys } = await accounts.setPassword({ userId, ...change })
  accessChanges.announce({ ended: [...endedSessions, ...revokedKeys.map(({ id }) => id)] })
  for (const { id, name } of revokedKeys)
    await audit.record({ actor, action: 'key.revoked', target: { kind: 'key', id }, detail: { name, owner: email, by: 'new password' } })
  return { activeKeys, revokedKeys: revokedKeys.length }
}

const toDetail = ({ activeKeys, revokedKeys }: KeysAfter) => ({ active_keys: activeKeys, revoked_keys: revokedKeys })

/** Whose turn it takes to hash a password. */
const queueOf = ({ address }: Actor) => (address === null ? 'command' : networkOf(address))
