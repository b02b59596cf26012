// Numbers that look random and are the same for the same seed, everywhere.

/** Small PRNG (mulberry32, Tommy Ettinger, public domain): numbers from 0 to 1. */
export function randomFrom(seed: number): () => number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface Dice {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number
  oneOf<T>(list: readonly T[]): T
  chance(probability: number): boolean
}

export function diceFrom(seed: number): Dice {
  const random = randomFrom(seed)
  const below = (most: number) => Math.floor(random() * most)
  return { below, oneOf: (list) => list[below(list.length)]!, chance: (probability) => random() < probability }
}
