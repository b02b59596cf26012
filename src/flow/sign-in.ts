// Signing in with e-mail and password, and out again.
import { newId } from '../new-id.ts'
import type { Principal } from '../access.ts'
import type { User } from '../accounts/account-store.ts'
import type { Actor } from '../accounts/audit-log.ts'
import { hashToken, newToken } from '../accounts/tokens.ts'
import { CalotypeError } from '../errors.ts'
import type { AccountDeps } from './account-deps.ts'
import { guessPassword } from './guess-password.ts'

/** Where a request comes from. */
export interface Client {
  address: string
  userAgent: string
}

export interface SignedIn {
  user: User
  /** For the cookie, and nowhere else. */
  token: string
  sessionId: string
}

/**
 * Always a session that is new: the one that came with the request, if any, ends. Throws `wrong_password`, the same for who is not known,
 * and `too_many_attempts`.
 */
export async function signIn(
  deps: AccountDeps,
  { email, password, client, before }: { email: string; password: string; client: Client; before: Principal },
): Promise<SignedIn> {
  const user = await guessPassword(deps, { email, password, address: client.address })
  if (user === null) {
    const nobody: Actor = { via: 'nobody', userId: null, credentialId: null, address: client.address }
    await deps.audit.record({ actor: nobody, action: 'login.failed', detail: { email } })
    throw new CalotypeError('wrong_password')
  }
  await endSessionOf(deps, before)
  const signedIn = await startSession(deps, user, client)
  await deps.audit.record({ actor: actorOfSession(signedIn, client), action: 'login', target: { kind: 'user', id: user.id } })
  return signedIn
}

export async function startSession({ accounts, sessionLimits }: AccountDeps, user: User, client: Client): Promise<SignedIn> {
  const token = newToken()
  const sessionId = newId()
  await accounts.addSession({ id: sessionId, userId: user.id, tokenHash: hashToken(token), ...client }, sessionLimits)
  return { user, token, sessionId }
}

export const actorOfSession = ({ user, sessionId }: SignedIn, { address }: Client): Actor => ({
  via: 'session',
  userId: user.id,
  credentialId: sessionId,
  address,
})

/** Ends the session of the request, if there is one, with the connections it holds open. */
export async function signOut(deps: AccountDeps, principal: Principal, client: Client): Promise<void> {
  if (!(await endSessionOf(deps, principal))) return
  const { via, userId, credentialId } = principal
  await deps.audit.record({ actor: { via, userId, credentialId, address: client.address }, action: 'logout' })
}

async function endSessionOf({ accounts, ended }: AccountDeps, { via, userId, credentialId }: Principal): Promise<boolean> {
  if (via !== 'session' || userId === null || credentialId === null) return false
  const didEnd = await accounts.endSession(credentialId, userId)
  ended.announce([credentialId])
  return didEnd
}
