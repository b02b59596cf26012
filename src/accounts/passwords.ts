// Passwords: hashed slowly and away from the event loop, a few at a time, so that guessing costs neither memory nor the pool of threads.
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import { CalotypeError } from '../errors.ts'

export const MIN_PASSWORD_LENGTH = 12
export const MAX_PASSWORD_LENGTH = 200

// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt: 32 MiB, three passes.
const COST = { N: 2 ** 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const AT_ONCE = 2
const MOST_WAITING = 100
const RETRY_SECONDS = 5

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

export interface Passwords {
  /** With salt and costs in it: later ones may cost more. Throws `overloaded` when very many are asked for at once. */
  hash(password: string): Promise<string>
  /** Whether it is the one; takes as long without a hash to compare with, and is then false. Throws as `hash` does. */
  verify(password: string, hash: string | null): Promise<boolean>
}

export function createPasswords(): Passwords {
  let running = 0
  const waiting: (() => void)[] = []

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (waiting.length >= MOST_WAITING) throw new CalotypeError('overloaded', undefined, { retryAfterSeconds: RETRY_SECONDS })
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }

  async function hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const { N, r, p } = COST
    const derived = await inTurn(() => derive(normal(password), salt, HASH_BYTES, withMemory(COST)))
    return ['scrypt', N, r, p, salt.toString('base64url'), derived.toString('base64url')].join('$')
  }

  return {
    hash,
    async verify(password, stored) {
      if (stored === null) {
        // As long as a real one, and never right.
        await hash(password)
        return false
      }
      const [, N, r, p, salt = '', expected = ''] = stored.split('$')
      const right = Buffer.from(expected, 'base64url')
      const cost = withMemory({ N: Number(N), r: Number(r), p: Number(p) })
      return timingSafeEqual(await inTurn(() => derive(normal(password), Buffer.from(salt, 'base64url'), right.length, cost)), right)
    },
  }
}

/** The same letters typed on another keyboard are the same password (NIST SP 800-63B, 3.1.1.2). */
const normal = (password: string) => password.normalize('NFKC')

/** Twice what it needs (128 × N × r), as Node's own limit is exactly that of its default costs. */
const withMemory = (cost: { N: number; r: number; p: number }) => ({ ...cost, maxmem: 256 * cost.N * cost.r })
