// Commands that change accounts: what they all do before and after, and whom the audit log names for them.
import { z } from 'zod'
import type { User } from '../accounts/users/user-store.ts'
import type { Actor } from '../accounts/audit/audit-log.ts'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import type { AccountDeps } from '../flow/accounts/account-deps.ts'
import { createLog } from '../log.ts'

export const COMMAND: Actor = { via: 'cli', userId: null, credentialId: null, address: null }

/** Opens the accounts, and closes them whatever happens. */
export async function withAccounts<T>(config: Config, work: (deps: AccountDeps) => Promise<T>): Promise<T> {
  const { openAccounts } = await import('../maintain.ts')
  const { close, ...deps } = await openAccounts(config, createLog(config.logLevel))
  try {
    return await work(deps)
  } finally {
    await close()
  }
}

/** In lower case. Throws StartError for what is no address. */
export function readEmail(text: string): string {
  const email = text.trim().toLowerCase()
  if (!z.email().max(254).safeParse(email).success) throw new StartError(`"${text}" is not an e-mail address.`)
  return email
}

/** Throws StartError where there is no such user. */
export async function userOf({ accounts }: AccountDeps, email: string): Promise<User> {
  const found = await accounts.findUser(readEmail(email))
  if (found === null) throw new StartError(`Nobody has an account with the e-mail address ${email}.`)
  return found.user
}
