// AVIF for the generator of malformed files (ISO/IEC 14496-12 and 23008-12, AV1 in ISOBMFF).
import { cutAt, type Grammar, type NumberField } from './grammar.ts'

/** Boxes that hold boxes, and what comes before the first of them. */
const CONTAINERS: Record<string, number> = { meta: 4, iprp: 0, ipco: 0, iinf: 6, iref: 4 }

/** Of one box; its size may be a lie by now. */
const MOST_NUMBERS = 256

interface Box {
  at: number
  size: number
  type: string
  top: boolean
}

function boxes(file: Buffer, from = 0, end = file.length, top = true): Box[] {
  const found: Box[] = []
  for (let at = from; at + 8 <= end;) {
    const size = file.readUInt32BE(at)
    const type = file.toString('latin1', at + 4, at + 8)
    found.push({ at, size, type, top })
    if (size < 8) break
    const inner = CONTAINERS[type]
    if (inner !== undefined) found.push(...boxes(file, at + 8 + inner, Math.min(at + size, end), false))
    at += size
  }
  return found
}

export const avif: Grammar = {
  split: (file) =>
    cutAt(
      file,
      boxes(file)
        .filter(({ top, at }) => top && at > 0)
        .map(({ at }) => at),
    ),
  numbers(file) {
    const field = (at: number, bytes: 1 | 2 | 4): NumberField => ({ at, bytes, order: 'big' })
    return boxes(file)
      .flatMap(({ at, size, type }) => {
        const length = field(at, 4)
        if (type === 'ispe') return [length, field(at + 12, 4), field(at + 16, 4)]
        // Offsets, lengths, counts, versions and flags: byte by byte.
        const small = ['iloc', 'av1C', 'ipma', 'infe', 'pitm', 'pixi', 'colr', 'iinf', 'iref', 'auxl'].includes(type)
        return [length, ...Array.from({ length: small ? Math.min(size, MOST_NUMBERS) - 8 : 0 }, (_, offset) => field(at + 8 + offset, 1))]
      })
      .filter(({ at, bytes }) => at + bytes <= file.length)
  },
}
