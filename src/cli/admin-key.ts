// A command that asks the running server: who may write its database may have a key of an administrator for as long as the command takes.
import type { User } from '../accounts/users/user-store.ts'
import type { Config } from '../config.ts'
import type { AccountDeps } from '../flow/accounts/account-deps.ts'
import { makeKey, revokeKey } from '../flow/accounts/change-keys.ts'
import { COMMAND, withAccounts } from './with-accounts.ts'

const LIFETIME_MS = 60 * 60_000

/** Gives the headers to ask with; without an administrator there is no key, and the server is open or says what is missing. */
export function withAdminKey(config: Config, work: (headers: Record<string, string>) => Promise<void>): Promise<void> {
  return withAccounts(config, async (deps) => {
    const owner = await firstAdministrator(deps)
    if (owner === null) return work({})
    const expiresAt = Date.now() + LIFETIME_MS
    const made = await makeKey(deps, COMMAND, { userId: owner.id, name: 'a command', scopes: ['read', 'delete', 'admin'], expiresAt })
    try {
      await work({ authorization: `Bearer ${made.secret}` })
    } finally {
      await revokeKey(deps, COMMAND, made.key.id, null)
    }
  })
}

async function firstAdministrator({ accounts }: AccountDeps): Promise<User | null> {
  let cursor: string | null = null
  do {
    const page = await accounts.listUsers({ limit: 500, ...(cursor !== null && { cursor }) })
    const found = page.items.find(({ role, disabledAt }) => role === 'admin' && disabledAt === null)
    if (found) return found
    cursor = page.next
  } while (cursor !== null)
  return null
}
