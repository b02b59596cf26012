// Comparing passwords: what is tried is counted first, so that guessing is slow however many servers and addresses there are.
import { isIP } from 'node:net'
import { newId } from '../../new-id.ts'
import type { AttemptRefusal } from '../../accounts/limits/attempt-store.ts'
import type { User } from '../../accounts/users/user-store.ts'
import { readDevice, type DeviceOwner } from '../../accounts/sessions/known-device.ts'
import type { AccountDeps } from './account-deps.ts'
import { limitsOf, tooManyAttempts, type Guesser } from './guess-limits.ts'

export interface Guess {
  email: string
  password: string
  address: string
}

export interface RightGuess {
  user: User
  passwordHash: string
  /** The known device that it came from; null from any other. */
  deviceId: string | null
}

/** The cookie that a browser has sent as a known device of this user. */
export type DeviceTokenOf = (userId: string) => string | undefined

/**
 * The user, if it is their password; null for a wrong one, for who is not known, and for who is disabled: one takes as long as the other.
 * Throws `too_many_attempts`, and `overloaded` when the address has very many passwords to be looked at.
 */
export async function guessPassword(deps: Deps, guess: Guess, deviceTokenOf: DeviceTokenOf): Promise<RightGuess | null> {
  const network = networkOf(guess.address)
  const found = await deps.accounts.findUser(guess.email)
  const owner = found && ownerOf(found)
  const deviceId = owner && readDevice(owner, deviceTokenOf(owner.userId))
  const isRight = await countAndCompare(deps, guess, found, deviceId === null ? { network } : { device: deviceId })
  return found && isRight ? { ...found, deviceId } : null
}

/** Whether it is the password of who is signed in; counted by their session alone, so that nobody else's guesses are in their way. */
export async function confirmPassword(deps: Deps, guess: Guess, sessionId: string): Promise<RightGuess | null> {
  const found = await deps.accounts.findUser(guess.email)
  const isRight = await countAndCompare(deps, guess, found, { session: sessionId })
  return found && isRight ? { ...found, deviceId: null } : null
}

type Deps = Pick<AccountDeps, 'accounts' | 'passwords'>

export const ownerOf = ({ user, passwordHash }: { user: User; passwordHash: string }): DeviceOwner => ({ userId: user.id, passwordHash })

async function countAndCompare(
  { accounts, passwords }: Deps,
  { email, password, address }: Guess,
  found: { user: User; passwordHash: string } | null,
  guesser: Guesser,
): Promise<boolean> {
  const attempt = newId()
  const { limits, place, alsoIn } = limitsOf(email, guesser)
  const refuse = (refusal: AttemptRefusal | null) => {
    if (refusal) throw tooManyAttempts(refusal)
  }
  // Whoever is refused costs a lookup. Counting is a transaction: a flood of them would stand in everybody's way, so it is done in turn.
  refuse(await accounts.refusalOf(limits))
  const count = async () => refuse(await accounts.countAttempt(attempt, limits))
  const matches = await passwords.verify(password, found?.passwordHash ?? null, networkOf(address), count)
  const isRight = matches && found?.user.disabledAt === null
  if (isRight) await accounts.forgive(attempt, place, alsoIn)
  return isRight
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
