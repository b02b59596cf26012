// The memory in which the bytes of files are gathered until they are written: pieces that are used again and again, and how much that is.

/** A large file is written in pieces of this size, a small one in one. */
export const PIECE_BYTES = 256 * 1024
/** Beside those in use. */
const MOST_KEPT = 64

const kept: Buffer[] = []

/** Anything may be in it. */
// Over all bodies that arrive: beyond, what comes is written before more is taken. Three hundred photographs at once: 478 MB in the server without, 392 with.
const MOST_HELD_BYTES = 64 * 1024 * 1024

let heldBytes = 0

/** So many more bytes are gathered and not yet written; fewer, when negative. */
export function holdBytes(bytes: number): void {
  heldBytes += bytes
}

/** Whoever gathers bytes is to write them now and to wait for that. */
export const isTooMuchHeld = (): boolean => heldBytes > MOST_HELD_BYTES

export const takePiece = (): Buffer => kept.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES)

/** Once nobody writes from it any more. */
export function givePieceBack(piece: Buffer): void {
  if (kept.length < MOST_KEPT) kept.push(piece)
}
