// Tells whether a file is an image that is taken, by its first bytes; the server asks the same again.

/** Enough for every signature below, with the brands of an AVIF. */
export const SIGNATURE_BYTES = 64

/** Of JPEG, PNG and GIF. */
const STARTS = ['\xff\xd8\xff', '\x89PNG\r\n\x1a\n', 'GIF87a', 'GIF89a']

const latin1 = (bytes: Uint8Array, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to))

/** `avif` among the brands of the first box (AVIF 1.1, section 8): the major one, then the compatible ones. */
function isAvif(bytes: Uint8Array): boolean {
  if (bytes.length < 12 || latin1(bytes, 4, 8) !== 'ftyp') return false
  const end = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), bytes.length)
  for (let at = 8; at + 4 <= end; at += at === 8 ? 8 : 4) {
    if (/^avi[fs]$/.test(latin1(bytes, at, at + 4))) return true
  }
  return false
}

export function isImage(bytes: Uint8Array): boolean {
  const start = latin1(bytes, 0, 12)
  return STARTS.some((known) => start.startsWith(known)) || (start.startsWith('RIFF') && start.endsWith('WEBP')) || isAvif(bytes)
}
