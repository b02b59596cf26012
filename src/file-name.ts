// The name of a file as far as it is kept: bounded where it comes in, so that no row, event, list or answer grows with it.

/** In UTF-8, as the rows keep it. Paths of a few folders fit; the file systems of our users take 255 bytes or characters a name. */
export const MAX_NAME_BYTES = 1024

/** Of the names of all files in one request, for each file that it may have: on average, in JSON. */
const MAX_AVERAGE_NAME_BYTES = 512
/** A request for few files may still have a name that is as long as may be, of characters that JSON writes in six bytes. */
const MIN_NAMES_BYTES = 64 * 1024

/** What the names of one request of up to `maxFiles` files may weigh together, by `jsonBytes`: all of them are in its answer. */
export const maxNamesBytes = (maxFiles: number) => Math.max(MIN_NAMES_BYTES, maxFiles * MAX_AVERAGE_NAME_BYTES)

/** Bytes of a text in JSON: up to six for one of UTF-8. */
export const jsonBytes = (text: string) => Buffer.byteLength(JSON.stringify(text))

// The rows write NUL and U+FFFF as two characters, of four bytes.
const ESCAPED = /[\0\uFFFF]/g
const ESCAPED_BYTES = 4
const MAX_BYTES_A_UNIT = 4

function keptBytes(name: string): number {
  const escaped = name.match(ESCAPED)?.length ?? 0
  return escaped === 0 ? Buffer.byteLength(name) : Buffer.byteLength(name.replaceAll(ESCAPED, '')) + escaped * ESCAPED_BYTES
}

export const isNameTooLong = (name: string) => name.length * MAX_BYTES_A_UNIT > MAX_NAME_BYTES && keptBytes(name) > MAX_NAME_BYTES

const CUT_MARK = '…'
const EXTENSION = /\.[^./\\\s]{1,16}$/

/** A name of at most `MAX_NAME_BYTES`: a longer one is cut between characters, marked by `…`, and keeps its extension. */
export function cutName(name: string): string {
  if (!isNameTooLong(name)) return name
  const end = CUT_MARK + (EXTENSION.exec(name)?.[0] ?? '')
  let room = MAX_NAME_BYTES - keptBytes(end)
  let kept = ''
  for (const character of name) {
    room -= keptBytes(character)
    if (room < 0) break
    kept += character
  }
  return kept + end
}
