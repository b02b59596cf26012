// The first administrator of a server: a link that works once, for a day, while nobody has an account.
import { newId } from '../../new-id.ts'
import { hashToken, newToken } from '../../accounts/tokens.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from './account-deps.ts'
import { networkOf } from './guess-password.ts'
import { actorOfSession, startSession, type Client, type SignedIn } from './sign-in.ts'

const LINK_LIFETIME_MS = 24 * 60 * 60_000

/** The secret of a new link, or null where somebody has an account. Each server that starts has its own; the first that is used ends all. */
export async function offerSetup({ accounts }: Pick<AccountDeps, 'accounts'>): Promise<string | null> {
  if (await accounts.hasUsers()) return null
  const token = newToken()
  await accounts.addSetupToken(hashToken(token), LINK_LIFETIME_MS)
  return token
}

/**
 * Makes the first administrator and signs them in. Throws `setup_link_invalid`, for the cost of a lookup: a password is hashed only for
 * a link that is good, and the transaction that makes the user looks again.
 */
export async function setUpServer(
  deps: AccountDeps,
  { token, email, name, password, client }: { token: string; email: string; name: string; password: string; client: Client },
): Promise<SignedIn> {
  const tokenHash = hashToken(token)
  if (!(await deps.accounts.isSetupToken(tokenHash))) throw new CalotypeError('setup_link_invalid')
  const passwordHash = await deps.passwords.hash(password, networkOf(client.address))
  const user = await deps.accounts.addFirstUser({ id: newId(), email, name, role: 'admin', passwordHash }, tokenHash)
  const signedIn = await startSession(deps, { user, passwordHash, deviceId: null }, client)
  const actor = actorOfSession(signedIn, client)
  await deps.audit.record({
    actor,
    action: 'user.created',
    target: { kind: 'user', id: user.id },
    detail: { email, role: 'admin', by: 'set-up link' },
  })
  return signedIn
}
