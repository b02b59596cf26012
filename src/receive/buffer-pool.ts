// The memory in which the bytes of files are gathered until they are written: pieces that are used again and again, and how much that is.

/** A large file is written in pieces of this size, a small one in one. */
export const PIECE_BYTES = 256 * 1024
/** What a file begins with: one chunk of a body may bring hundreds. */
const FIRST_BYTES = 16 * 1024
/** Beside those in use, of each size. */
const MOST_KEPT = 64
// Over all bodies that arrive: beyond, what comes is written before more is taken. Three hundred photographs at once: 478 MB in the server
// without, 392 with.
const MOST_HELD_BYTES = 64 * 1024 * 1024

const kept = new Map<number, Buffer[]>([
  [FIRST_BYTES, []],
  [PIECE_BYTES, []],
])
let heldBytes = 0

function take(size: number): Buffer {
  heldBytes += size
  return kept.get(size)!.pop() ?? Buffer.allocUnsafeSlow(size)
}

/** A piece for the first bytes of a file, of any content. */
export const takeFirstPiece = (): Buffer => take(FIRST_BYTES)

/** One of `PIECE_BYTES` in the place of one that is full, with what was in it. */
export function takeLargerPiece(full: Buffer): Buffer {
  const piece = take(PIECE_BYTES)
  full.copy(piece)
  givePieceBack(full)
  return piece
}

/** Once nobody writes from it any more. */
export function givePieceBack(piece: Buffer): void {
  heldBytes -= piece.length
  const others = kept.get(piece.length)!
  if (others.length < MOST_KEPT) others.push(piece)
}

/** Whoever gathers bytes is to write them now and to wait for that. */
export const isTooMuchHeld = (): boolean => heldBytes > MOST_HELD_BYTES
