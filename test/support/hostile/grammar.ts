// What the generator of malformed files has to know of a format: its blocks, its numbers, and how it seals them.

/** A number somewhere in a file. */
export interface NumberField {
  at: number
  bytes: 1 | 2 | 3 | 4
  order: 'big' | 'little'
}

export interface Grammar {
  /** The file in pieces that are whole by themselves: a signature, then segments, chunks, blocks or boxes. Joined they are the file. */
  split(file: Buffer): Buffer[]
  /** Where its numbers lie: lengths, sides, counts, flags. */
  numbers(file: Buffer): NumberField[]
  /** Makes checksums right again, where the format has them. */
  seal?(file: Buffer): Buffer
}

export function readNumber(file: Buffer, { at, bytes, order }: NumberField): number {
  return order === 'big' ? file.readUIntBE(at, bytes) : file.readUIntLE(at, bytes)
}

export function writeNumber(file: Buffer, { at, bytes, order }: NumberField, value: number): void {
  const fitting = value % 256 ** bytes
  if (order === 'big') file.writeUIntBE(fitting, at, bytes)
  else file.writeUIntLE(fitting, at, bytes)
}

/** Cuts a file at these places. */
export const cutAt = (file: Buffer, places: number[]): Buffer[] =>
  [0, ...places, file.length].slice(0, -1).map((from, index, all) => file.subarray(from, all[index + 1] ?? file.length))
