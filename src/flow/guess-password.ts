// Comparing passwords: what is tried is counted first, by account and by address, so that guessing is slow however many servers there are.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { newId } from '../new-id.ts'
import type { User } from '../accounts/account-store.ts'
import { CalotypeError } from '../errors.ts'
import type { AccountDeps } from './account-deps.ts'

const MOST_BY_ACCOUNT = 5
const MOST_BY_ADDRESS = 20
export const ATTEMPTS_WINDOW_MS = 15 * 60_000

/**
 * The user, if it is their password; null for a wrong one, for who is not known, and for who is disabled: one takes as long as the other.
 * Throws `too_many_attempts`.
 */
export async function guessPassword(
  { accounts, passwords }: Pick<AccountDeps, 'accounts' | 'passwords'>,
  { email, password, address }: { email: string; password: string; address: string },
): Promise<User | null> {
  // Hashed, as people type all sorts of things there.
  const account = `account:${createHash('sha256').update(email).digest('hex')}`
  const attempt = newId()
  const limits = [
    { subject: account, most: MOST_BY_ACCOUNT },
    { subject: `address:${networkOf(address)}`, most: MOST_BY_ADDRESS },
  ]
  const retryAfterSeconds = await accounts.countAttempt(attempt, limits, ATTEMPTS_WINDOW_MS)
  if (retryAfterSeconds !== null) throw new CalotypeError('too_many_attempts', undefined, { retryAfterSeconds })
  const found = await accounts.findUser(email)
  const isRight = await passwords.verify(password, found?.passwordHash ?? null)
  if (!found || !isRight || found.user.disabledAt !== null) return null
  await accounts.forgive(attempt, account)
  return found.user
}

/** Whoever has an IPv6 address has the 2^64 of its network. */
export function networkOf(address: string): string {
  const [bare = ''] = address.split('%')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1]
  if (mapped !== undefined || isIP(bare) !== 6) return mapped ?? bare
  const [head = '', tail] = bare.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
