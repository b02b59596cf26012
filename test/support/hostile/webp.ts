// WebP for the generator of malformed files (RFC 9649).
import { cutAt, type Grammar, type NumberField } from './grammar.ts'

function chunks(file: Buffer): { at: number; type: string }[] {
  const found: { at: number; type: string }[] = []
  for (let at = 12; at + 8 <= file.length;) {
    found.push({ at, type: file.toString('latin1', at, at + 4) })
    const length = file.readUInt32LE(at + 4)
    at += 8 + length + (length % 2)
  }
  return found
}

export const webp: Grammar = {
  split: (file) =>
    cutAt(
      file,
      chunks(file).map(({ at }) => at),
    ),
  numbers(file) {
    const field = (at: number, bytes: 1 | 2 | 3 | 4): NumberField => ({ at, bytes, order: 'little' })
    return [
      field(4, 4),
      ...chunks(file).flatMap(({ at, type }) => {
        const length = field(at + 4, 4)
        // Flags, canvas.
        if (type === 'VP8X') return [length, field(at + 8, 1), field(at + 12, 3), field(at + 15, 3)]
        // Place, size, duration, flags; then the length of what is inside.
        if (type === 'ANMF')
          return [length, ...[8, 11, 14, 17, 20].map((offset) => field(at + offset, 3)), field(at + 23, 1), field(at + 28, 4)]
        // Key frame: tag, start code, sides with their scale.
        if (type === 'VP8 ') return [length, field(at + 8, 3), field(at + 11, 1), field(at + 14, 2), field(at + 16, 2)]
        // Signature, sides of 14 bits, alpha, version.
        if (type === 'VP8L') return [length, field(at + 8, 1), field(at + 9, 4)]
        return [length, field(at + 8, 1)]
      }),
    ].filter(({ at, bytes }) => at + bytes <= file.length)
  },
  /** The length of the whole, which every reader believes. */
  seal(file) {
    const sealed = Buffer.from(file)
    if (sealed.length >= 8) sealed.writeUInt32LE(sealed.length - 8, 4)
    return sealed
  },
}
