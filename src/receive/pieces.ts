// The memory in which the bytes of a file are gathered until they are written: pieces that are used again and again.

/** A large file is written in pieces of this size, a small one in one. */
export const PIECE_BYTES = 256 * 1024
/** Beside those in use. */
const MOST_KEPT = 64

const kept: Buffer[] = []

/** Anything may be in it. */
export const takePiece = (): Buffer => kept.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)

/** Once nobody writes from it any more. */
export function givePieceBack(piece: Buffer): void {
  if (kept.length < MOST_KEPT) kept.push(piece)
}
