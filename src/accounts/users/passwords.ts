// Passwords: hashed slowly and away from the event loop, a few at a time, so that guessing costs neither memory nor the pool of threads.
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import { createFairTurns } from '../limits/fair-turns.ts'

// https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt: 32 MiB, three passes.
const COST = { N: 2 ** 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
/** Compared with where there is no hash, so that it takes as long as a real one. */
const NOBODYS = ['scrypt', COST.N, COST.r, COST.p, 'A'.repeat(22), 'A'.repeat(43)].join('$')
const MAX_AT_ONCE = 2
/** Of one address: about two seconds of work. */
const MAX_WAITING_PER_ADDRESS = 20
const MAX_WAITING = 200
const RETRY_SECONDS = 5

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** `address` is the network that asks: addresses take turns, so that one of them delays no other for longer than its share. */
export interface Passwords {
  /** With salt and costs in it: later ones may cost more. Throws `overloaded` when the address has asked for very many at once. */
  hash(password: string, address: string): Promise<string>
  /**
   * Whether it is the one; takes as long without a hash to compare with, and is then false. `admit` runs when its turn has come: where it
   * rejects, nothing is hashed. Throws as `hash` does.
   */
  verify(password: string, hash: string | null, address: string, admit: () => Promise<void>): Promise<boolean>
}

export function createPasswords(): Passwords {
  const inTurn = createFairTurns({
    concurrency: MAX_AT_ONCE,
    maxWaitingPerAddress: MAX_WAITING_PER_ADDRESS,
    maxWaiting: MAX_WAITING,
    retryAfterSeconds: RETRY_SECONDS,
  })

  return {
    async hash(password, address) {
      const salt = randomBytes(SALT_BYTES)
      const { N, r, p } = COST
      const derived = await inTurn(address, () => derive(normal(password), salt, HASH_BYTES, withMemory(COST)))
      return ['scrypt', N, r, p, salt.toString('base64url'), derived.toString('base64url')].join('$')
    },

    async verify(password, stored, address, admit) {
      const [, N, r, p, salt = '', expected = ''] = (stored ?? NOBODYS).split('$')
      const right = Buffer.from(expected, 'base64url')
      const cost = withMemory({ N: Number(N), r: Number(r), p: Number(p) })
      const derived = await inTurn(address, async () => {
        await admit()
        return derive(normal(password), Buffer.from(salt, 'base64url'), right.length, cost)
      })
      return timingSafeEqual(derived, right) && stored !== null
    },
  }
}

/** The same letters typed on another keyboard are the same password (NIST SP 800-63B, 3.1.1.2). */
const normal = (password: string) => password.normalize('NFKC')

/** Twice what it needs (128 × N × r), as Node's own limit is exactly that of its default costs. */
const withMemory = (cost: { N: number; r: number; p: number }) => ({ ...cost, maxmem: 256 * cost.N * cost.r })
