// API keys made and revoked.
import { newId } from '../../new-id.ts'
import type { Scope } from '../../access.ts'
import type { Key } from '../../accounts/keys/key-store.ts'
import type { Actor } from '../../accounts/audit/audit-log.ts'
import { hashToken, newKey, prefixOf } from '../../accounts/tokens.ts'
import type { AccountDeps } from './account-deps.ts'

type Deps = Pick<AccountDeps, 'accounts' | 'audit' | 'accessChanges'>

/** With its secret, which nobody is shown again. That the owner may have these scopes is for the caller to know. */
export async function makeKey(
  { accounts, audit }: Deps,
  actor: Actor,
  { userId, name, scopes, expiresAt }: { userId: string; name: string; scopes: Scope[]; expiresAt: number | null },
): Promise<{ key: Key; secret: string }> {
  const secret = newKey()
  const key = await accounts.addKey({
    id: newId(),
    prefix: prefixOf(secret),
    tokenHash: hashToken(secret),
    userId,
    name,
    scopes,
    expiresAt,
  })
  const detail = { name, owner: key.email, scopes, expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString() }
  await audit.record({ actor, action: 'key.created', target: { kind: 'key', id: key.id }, detail })
  return { key, secret }
}

/** Of one user, or anyone's; null where there is no such key. Whoever is connected with it is cut off. */
export async function revokeKey(
  { accounts, audit, accessChanges }: Deps,
  actor: Actor,
  id: string,
  userId: string | null,
): Promise<Key | null> {
  const key = await accounts.revokeKey(id, userId)
  if (key === null) return null
  accessChanges.announce({ ended: [id] })
  await audit.record({ actor, action: 'key.revoked', target: { kind: 'key', id }, detail: { name: key.name, owner: key.email } })
  return key
}
