// How often one may guess at a password: by account and address together first, so that guessing elsewhere keeps nobody out.
import { createHash } from 'node:crypto'
import { DAY_MS } from '../../access.ts'
import type { AttemptLimit, AttemptRefusal, AttemptRetention, AttemptSubject } from '../../accounts/limits/attempt-store.ts'
import { CalotypeError } from '../../errors.ts'

const WINDOW_MS = 15 * 60_000

/** From one address, known device or session at one account: so many in a quarter of an hour, and in a day. */
const MAX_BY_PLACE = 5
const MAX_BY_PLACE_A_DAY = 20
/** From one address at all accounts together, in a quarter of an hour. */
const MAX_BY_ADDRESS = 20
/**
 * From everywhere at one account: after these in a day, each has to wait twice as long as the one before, from 2 s to a quarter of an
 * hour. However many addresses guess, that is at most 113 in a day: 10 at once, 9 in the next 17 minutes, then one each quarter of an hour.
 */
const FREE_BY_ACCOUNT = 10
const FIRST_DELAY_MS = 2_000
const MAX_DELAY_MS = 15 * 60_000

const delayMs = (beyond: number) => Math.min(FIRST_DELAY_MS * 2 ** (beyond - 1), MAX_DELAY_MS)

/** For how long each kind is kept. */
export const ATTEMPT_RETENTION: readonly AttemptRetention[] = [
  { kind: 'account', windowMs: DAY_MS },
  { kind: 'place', windowMs: DAY_MS },
  { kind: 'device', windowMs: DAY_MS },
  { kind: 'session', windowMs: DAY_MS },
  { kind: 'address', windowMs: WINDOW_MS },
]

/** Hashed, as people type all sorts of things there. */
const hashOf = (email: string) => createHash('sha256').update(email).digest('hex')

/** By where a guess is made: a session that is signed in, a browser that is known, or only an address. */
export type Guesser = { session: string } | { device: string } | { network: string }

export const accountSubject = (email: string): AttemptSubject => ({ kind: 'account', id: hashOf(email) })

/** What a guess at an account is counted by, and which of it a right one takes back. */
export function limitsOf(email: string, guesser: Guesser): { limits: AttemptLimit[]; place: AttemptSubject; alsoIn: AttemptSubject[] } {
  if ('session' in guesser) return alone({ kind: 'session', id: guesser.session })
  if ('device' in guesser) return alone({ kind: 'device', id: `${hashOf(email)}:${guesser.device}` })
  const account = accountSubject(email)
  const place = { kind: 'place', id: `${account.id}:${guesser.network}` }
  return {
    limits: [
      ...limitsOfPlace(place),
      { subject: { kind: 'address', id: guesser.network }, windowMs: WINDOW_MS, free: MAX_BY_ADDRESS },
      { subject: account, windowMs: DAY_MS, free: FREE_BY_ACCOUNT, delayMs },
    ],
    place,
    // Not of the address: whoever signs in from there does not vouch for its other guesses.
    alsoIn: [account],
  }
}

const alone = (place: AttemptSubject) => ({ limits: limitsOfPlace(place), place, alsoIn: [] })

const limitsOfPlace = (subject: AttemptSubject): AttemptLimit[] => [
  { subject, windowMs: WINDOW_MS, free: MAX_BY_PLACE },
  { subject, windowMs: DAY_MS, free: MAX_BY_PLACE_A_DAY },
]

const ELSEWHERE = 'or sign in from a browser that you have used before'
const HELP = 'An administrator can give you a new password.'

/** `too_many_attempts`, in a sentence that says when to try again and what else can be done. */
export function tooManyAttempts({ limit, retryAfterSeconds }: AttemptRefusal): CalotypeError {
  const again = `Try again in ${inWords(retryAfterSeconds)}`
  const sentences: Record<string, string> = {
    account: `There were too many failed attempts to sign in to this account. ${again}, ${ELSEWHERE}. ${HELP}`,
    place: `There were too many failed attempts to sign in to this account from your network. ${again}, ${ELSEWHERE}. ${HELP}`,
    address: `There were too many failed attempts to sign in from your network. ${again}, ${ELSEWHERE}.`,
  }
  const sentence = sentences[limit.subject.kind] ?? `There were too many failed attempts. ${again}. ${HELP}`
  return new CalotypeError('too_many_attempts', sentence, { retryAfterSeconds })
}

function inWords(seconds: number): string {
  if (seconds < 90) return seconds === 1 ? '1 second' : `${seconds} seconds`
  if (seconds < 90 * 60) return `${Math.ceil(seconds / 60)} minutes`
  return `${Math.ceil(seconds / 3600)} hours`
}
