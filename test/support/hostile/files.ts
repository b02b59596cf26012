// The generator of malformed files: the same seed gives the same files, each broken in one or more ways.
import type { Format } from '../../../src/image.ts'
import { diceFrom, type Dice } from '../inputs/random.ts'
import { avif } from './avif.ts'
import { gif } from './gif.ts'
import { type Grammar, readNumber, writeNumber } from './grammar.ts'
import { jpeg } from './jpeg.ts'
import { png } from './png.ts'
import { POLYGLOTS } from './polyglots.ts'
import { makeSeeds } from './seeds.ts'
import { webp } from './webp.ts'

const GRAMMARS: Record<Format, Grammar> = { jpeg, png, gif, webp, avif }
const FORMATS = Object.keys(GRAMMARS) as Format[]

export interface HostileFile {
  name: string
  bytes: Buffer
  /** Whether it still is a whole image, with something else behind or before it. */
  polyglot: boolean
}

type Mutation = (file: Buffer, dice: Dice, grammar: Grammar) => Buffer

/** Beyond, a file is not broken further: what is repeated could be repeated again. */
const MOST_BYTES = 256 * 1024

const EXTREMES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0xffffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

const MUTATIONS: Record<string, Mutation> = {
  truncated: (file, dice) => file.subarray(0, 1 + dice.below(file.length)),
  flipped(file, dice) {
    const flipped = Buffer.from(file)
    for (let bits = 1 + dice.below(16); bits > 0; bits--) flipped[dice.below(file.length)]! ^= 1 << dice.below(8)
    return flipped
  },
  noise(file, dice) {
    const noisy = Buffer.from(file)
    const from = dice.below(file.length)
    for (let at = from; at < Math.min(file.length, from + 64); at++) noisy[at] = dice.below(256)
    return noisy
  },
  limits: (file, dice, grammar) => changeNumber(file, dice, grammar, () => dice.oneOf(EXTREMES)),
  lie: (file, dice, grammar) =>
    changeNumber(file, dice, grammar, (value) =>
      Math.max(0, dice.oneOf([value - 1, value + 1, value * 2, Math.floor(value / 2), value + dice.below(4096)])),
    ),
  reordered: (file, dice, { split }) =>
    changeBlocks(split(file), (blocks) => {
      const [from, to] = [1 + dice.below(blocks.length - 1), 1 + dice.below(blocks.length - 1)]
      blocks.splice(to, 0, ...blocks.splice(from, 1))
    }),
  repeated: (file, dice, { split }) =>
    changeBlocks(split(file), (blocks) => {
      const block = blocks[1 + dice.below(blocks.length - 1)]!
      blocks.splice(
        1 + dice.below(blocks.length),
        0,
        ...Array<Buffer>(Math.min(dice.oneOf([1, 2, 50, 700]), Math.ceil(MOST_BYTES / block.length))).fill(block),
      )
    }),
  dropped: (file, dice, { split }) => changeBlocks(split(file), (blocks) => void blocks.splice(dice.below(blocks.length), 1)),
  hole(file, dice) {
    const from = dice.below(file.length)
    return Buffer.concat([file.subarray(0, from), file.subarray(from + 1 + dice.below(64))])
  },
  stuffed(file, dice) {
    const at = dice.below(file.length)
    return Buffer.concat([file.subarray(0, at), Buffer.alloc(1 + dice.below(5_000), dice.oneOf([0, 0xff, 0x2c, 0x41])), file.subarray(at)])
  },
}
const MUTATION_NAMES = Object.keys(MUTATIONS)
const POLYGLOT_NAMES = Object.keys(POLYGLOTS)

function changeNumber(file: Buffer, dice: Dice, grammar: Grammar, change: (value: number) => number): Buffer {
  const changed = Buffer.from(file)
  const numbers = grammar.numbers(changed).filter(({ at, bytes }) => at + bytes <= changed.length)
  if (numbers.length === 0) return changed
  const number = dice.oneOf(numbers)
  writeNumber(changed, number, change(readNumber(changed, number)))
  return changed
}

function changeBlocks(blocks: Buffer[], change: (blocks: Buffer[]) => void): Buffer {
  if (blocks.length > 1) change(blocks)
  return Buffer.concat(blocks)
}

/** Files of a run without end; the file at an index depends on nothing but the seed and the index. */
export async function hostileFiles(seed: number): Promise<(index: number) => HostileFile> {
  const seeds = await makeSeeds()
  return (index) => {
    const dice = diceFrom(Math.imul(seed, 1_000_003) + index)
    const format = FORMATS[index % FORMATS.length]!
    const grammar = GRAMMARS[format]
    let bytes = dice.oneOf(seeds[format])
    if (dice.chance(0.1)) {
      const kind = dice.oneOf(POLYGLOT_NAMES)
      return { name: `${index}-${kind.replace(' ', '-')}.${format}`, bytes: POLYGLOTS[kind]!(bytes), polyglot: true }
    }
    const done: string[] = []
    for (let times = dice.oneOf([1, 1, 1, 2, 3]); times > 0 && bytes.length > 0 && bytes.length < MOST_BYTES; times--) {
      const mutation = dice.oneOf(MUTATION_NAMES)
      done.push(mutation)
      bytes = MUTATIONS[mutation]!(bytes, dice, grammar)
    }
    // Checksums and lengths of the whole are what stops most of it: every other file has them right.
    if (grammar.seal && dice.chance(0.5)) bytes = grammar.seal(bytes)
    return { name: `${index}-${done.join('-')}.${format}`, bytes, polyglot: false }
  }
}
