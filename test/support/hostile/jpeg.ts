// JPEG for the generator of malformed files (ISO/IEC 10918-1, annex B).
import { cutAt, type Grammar, type NumberField } from './grammar.ts'

/** Where its markers are; behind the first scan the file is one piece. */
function segments(file: Buffer): { at: number; marker: number }[] {
  const found: { at: number; marker: number }[] = []
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff;) {
    const marker = file[at + 1]!
    found.push({ at, marker })
    if (marker === 0xda) break
    at += 2 + file.readUInt16BE(at + 2)
  }
  return found
}

export const jpeg: Grammar = {
  split: (file) =>
    cutAt(
      file,
      segments(file).map(({ at }) => at),
    ),
  numbers: (file) =>
    segments(file).flatMap(({ at, marker }) => {
      const field = (offset: number, bytes: 1 | 2): NumberField => ({ at: at + offset, bytes, order: 'big' })
      const length = field(2, 2)
      const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
      // Precision, height, width, components, and the sampling of the first.
      if (isFrame) return [length, field(4, 1), field(5, 2), field(7, 2), field(9, 1), field(11, 1)]
      // Tables, selectors, components of the scan.
      return [length, field(4, 1), field(5, 1), field(6, 1)]
    }),
}
