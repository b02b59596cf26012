// The ids of everything: UUIDs of version 7, in the order they were made, of which nobody can guess one from another.
import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const MAX_COUNT = 0xfff
const ID_BYTES = 16
// Random bytes come cheaper by the thousand.
const pool = new Uint8Array(256 * ID_BYTES)

let used = pool.length
let lastMs = -Infinity
let count = 0

function randomBytes(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return pool.subarray(used, (used += ID_BYTES))
}

/**
 * Each id is greater than the one this process made before it, also when the clock is set back: the 12 bits after the milliseconds count
 * the ids of one millisecond (RFC 9562, section 6.2, method 1). The other 62 bits are random, anew each time: media are found by their id,
 * so that one must not lead to its neighbours.
 */
export function newId(): string {
  const now = Date.now()
  if (now > lastMs) [lastMs, count] = [now, 0]
  else if (++count > MAX_COUNT) [lastMs, count] = [lastMs + 1, 0]
  const random = randomBytes()
  // `v7` takes the counter and the first 20 of the random bits as one number.
  const low = ((random[0]! & 0x0f) << 16) | (random[1]! << 8) | random[2]!
  return v7({ msecs: lastMs, seq: count * 2 ** 20 + low, random })
}
