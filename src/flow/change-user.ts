// Users made and changed by administrators, and passwords changed by whoever may.
import { randomBytes } from 'node:crypto'
import { newId } from '../new-id.ts'
import type { Role } from '../access.ts'
import type { User, UserChange } from '../accounts/account-store.ts'
import type { Actor } from '../accounts/audit-log.ts'
import { CalotypeError } from '../errors.ts'
import type { AccountDeps } from './account-deps.ts'
import { guessPassword } from './guess-password.ts'

type Deps = Omit<AccountDeps, 'sessionLimits'>

/** 144 bits, in letters that can be copied. */
const newPassword = () => randomBytes(18).toString('base64url')

/** Without a password, one is made and returned: shown once. Throws `email_taken`. */
export async function addUser(
  deps: Deps,
  actor: Actor,
  { email, name, role, password }: { email: string; name: string; role: Role; password?: string | undefined },
): Promise<{ user: User; password: string | null }> {
  const given = password ?? newPassword()
  const user = await deps.accounts.addUser({ id: newId(), email, name, role, passwordHash: await deps.passwords.hash(given) })
  await deps.audit.record({ actor, action: 'user.created', target: { kind: 'user', id: user.id }, detail: { email: user.email, role } })
  return { user, password: password === undefined ? given : null }
}

/** Null where there is no such user. Throws `last_admin`. Who is disabled is signed out everywhere. */
export async function changeUser(deps: Deps, actor: Actor, id: string, change: UserChange): Promise<User | null> {
  const changed = await deps.accounts.changeUser(id, change)
  if (changed === null) return null
  deps.ended.announce(changed.ended)
  const detail = { email: changed.user.email, ...change }
  await deps.audit.record({ actor, action: 'user.changed', target: { kind: 'user', id }, detail })
  return changed.user
}

/** Without a password, one is made and returned: shown once. The user is signed out everywhere. Null where there is no such user. */
export async function resetPassword(
  deps: Deps,
  actor: Actor,
  id: string,
  password?: string,
): Promise<{ user: User; password: string | null } | null> {
  const user = await deps.accounts.getUser(id)
  if (user === null) return null
  const given = password ?? newPassword()
  deps.ended.announce(await deps.accounts.setPassword(id, await deps.passwords.hash(given), null))
  await deps.audit.record({ actor, action: 'user.password_reset', target: { kind: 'user', id }, detail: { email: user.email } })
  return { user, password: password === undefined ? given : null }
}

/** One's own, knowing the current one. Every other session ends. Throws `wrong_password` and `too_many_attempts`. */
export async function changePassword(
  deps: Deps,
  actor: Actor & { userId: string; address: string },
  { current, next }: { current: string; next: string },
): Promise<void> {
  const { userId, address, credentialId } = actor
  const email = (await deps.accounts.getUser(userId))?.email ?? ''
  const target = { kind: 'user', id: userId }
  if ((await guessPassword(deps, { email, password: current, address })) === null) {
    await deps.audit.record({ actor, action: 'user.password_change_failed', target })
    throw new CalotypeError('wrong_password', 'The current password is wrong.')
  }
  deps.ended.announce(await deps.accounts.setPassword(userId, await deps.passwords.hash(next), credentialId))
  await deps.audit.record({ actor, action: 'user.password_changed', target })
}
