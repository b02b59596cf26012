// Signing in with e-mail and password, and out again.
import { newId } from '../../new-id.ts'
import type { Principal } from '../../access.ts'
import type { User } from '../../accounts/users/user-store.ts'
import type { Actor } from '../../accounts/audit/audit-log.ts'
import { deviceToken, newDeviceId } from '../../accounts/sessions/known-device.ts'
import { hashToken, newToken } from '../../accounts/tokens.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from './account-deps.ts'
import { guessPassword, ownerOf, type DeviceTokenOf, type RightGuess } from './guess-password.ts'

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
  /** Likewise, of the cookie by which this browser is known from now on. */
  device: string
}

export interface SignInWish {
  email: string
  password: string
  client: Client
  /** Who the request came from before. */
  before: Principal
  deviceTokenOf: DeviceTokenOf
}

/**
 * Always a session that is new: the one that came with the request, if any, ends. Throws `wrong_password`, the same for who is not known,
 * and `too_many_attempts`.
 */
export async function signIn(deps: AccountDeps, { email, password, client, before, deviceTokenOf }: SignInWish): Promise<SignedIn> {
  const right = await guessPassword(deps, { email, password, address: client.address }, deviceTokenOf)
  if (right === null) {
    const nobody: Actor = { via: 'nobody', userId: null, credentialId: null, address: client.address }
    await deps.audit.record({ actor: nobody, action: 'login.failed', detail: { email } })
    throw new CalotypeError('wrong_password')
  }
  await endSessionOf(deps, before)
  const signedIn = await startSession(deps, right, client)
  await deps.audit.record({ actor: actorOfSession(signedIn, client), action: 'login', target: { kind: 'user', id: right.user.id } })
  return signedIn
}

/** From a device that is known already it stays the same one, with its own count of wrong guesses. */
export async function startSession({ accounts, sessionLimits }: AccountDeps, who: RightGuess, client: Client): Promise<SignedIn> {
  const { user, deviceId } = who
  const token = newToken()
  const sessionId = newId()
  await accounts.addSession({ id: sessionId, userId: user.id, tokenHash: hashToken(token), ...client }, sessionLimits)
  return { user, token, sessionId, device: deviceToken(ownerOf(who), deviceId ?? newDeviceId()) }
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

async function endSessionOf({ accounts, accessChanges }: AccountDeps, { via, userId, credentialId }: Principal): Promise<boolean> {
  if (via !== 'session' || userId === null || credentialId === null) return false
  const didEnd = await accounts.endSession(credentialId, userId)
  accessChanges.announce({ ended: [credentialId] })
  return didEnd
}
