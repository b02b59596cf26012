// GIF for the generator of malformed files (GIF89a, sections 15 to 26).
import { cutAt, type Grammar, type NumberField } from './grammar.ts'

const tableBytes = (packed: number) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0)

function blocks(file: Buffer): { at: number; image: boolean }[] {
  const found: { at: number; image: boolean }[] = []
  for (let at = 13 + tableBytes(file[10]!); at < file.length - 1;) {
    const image = file[at] === 0x2c
    if (!image && file[at] !== 0x21) break
    found.push({ at, image })
    at += image ? 11 + tableBytes(file[at + 9] ?? 0) : 2
    while ((file[at] ?? 0) > 0) at += 1 + file[at]!
    at++
  }
  return found
}

export const gif: Grammar = {
  split: (file) =>
    cutAt(
      file,
      blocks(file).map(({ at }) => at),
    ),
  numbers(file) {
    const field = (at: number, bytes: 1 | 2): NumberField => ({ at, bytes, order: 'little' })
    return [
      // Width, height, packed fields, background.
      ...[field(6, 2), field(8, 2), field(10, 1), field(11, 1)],
      ...blocks(file).flatMap(({ at, image }) => {
        if (!image) return [field(at + 1, 1), field(at + 2, 1)]
        const codeSize = at + 10 + tableBytes(file[at + 9] ?? 0)
        return [...[1, 3, 5, 7].map((offset) => field(at + offset, 2)), field(at + 9, 1), field(codeSize, 1), field(codeSize + 1, 1)]
      }),
    ].filter(({ at, bytes }) => at + bytes <= file.length)
  },
}
