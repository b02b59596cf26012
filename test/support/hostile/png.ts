// PNG for the generator of malformed files (ISO/IEC 15948).
import { crc32 } from 'node:zlib'
import { cutAt, type Grammar, type NumberField } from './grammar.ts'

function chunks(file: Buffer): { at: number; length: number }[] {
  const found: { at: number; length: number }[] = []
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at)
    found.push({ at, length })
    at += 12 + length
  }
  return found
}

export const png: Grammar = {
  split: (file) =>
    cutAt(
      file,
      chunks(file).map(({ at }) => at),
    ),
  numbers(file) {
    const field = (at: number, bytes: 1 | 4): NumberField => ({ at, bytes, order: 'big' })
    // Width, height, depth, colour type, compression, filter, interlace.
    const header = [field(16, 4), field(20, 4), ...[24, 25, 26, 27, 28].map((at) => field(at, 1))]
    return [...header, ...header, ...chunks(file).map(({ at }) => field(at, 4))]
  },
  /** As long as lengths are true. */
  seal(file) {
    const sealed = Buffer.from(file)
    for (const { at, length } of chunks(sealed)) {
      if (at + 12 + length <= sealed.length) sealed.writeUInt32BE(crc32(sealed.subarray(at + 4, at + 8 + length)), at + 8 + length)
    }
    return sealed
  },
}
