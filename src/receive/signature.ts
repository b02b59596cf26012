// Tells what a file is by its first bytes; its name and the declared type are never asked.
import type { Format } from '../image.ts'

/** Enough for every signature below, with the brands of an AVIF. */
export const SIGNATURE_BYTES = 64

const startsWith = (bytes: Buffer, text: string, at = 0) => bytes.subarray(at, at + text.length).equals(Buffer.from(text, 'latin1'))

/** Brands of the ISO base media file type box (ISO/IEC 23008-12, AVIF 1.1 section 8): the major one, then the compatible ones. */
function isAvif(bytes: Buffer): boolean {
  if (!startsWith(bytes, 'ftyp', 4)) return false
  const end = Math.min(bytes.readUInt32BE(0), bytes.length)
  for (let at = 8; at + 4 <= end; at += at === 8 ? 8 : 4) {
    if (startsWith(bytes, 'avif', at) || startsWith(bytes, 'avis', at)) return true
  }
  return false
}

/** The format of a file that begins with `bytes` (its first SIGNATURE_BYTES, or all if it is shorter), or null. */
export function formatOf(bytes: Buffer): Format | null {
  if (startsWith(bytes, '\xff\xd8\xff')) return 'jpeg'
  if (startsWith(bytes, '\x89PNG\r\n\x1a\n')) return 'png'
  if (startsWith(bytes, 'GIF87a') || startsWith(bytes, 'GIF89a')) return 'gif'
  if (startsWith(bytes, 'RIFF') && startsWith(bytes, 'WEBP', 8)) return 'webp'
  return isAvif(bytes) ? 'avif' : null
}
