// Where a page of a list ended: opaque to clients, who may send back anything.
import { CalotypeError } from '../errors.ts'

export type Cursor = (string | number)[]

/** No value has it: PostgreSQL takes no NUL in a text. */
const SEPARATOR = '\0'

/** Not JSON, in which a name of control characters is six times as long. */
export const encodeCursor = (cursor: Cursor) =>
  Buffer.from(cursor.map((value) => `${typeof value === 'number' ? 'n' : 's'}${value}`).join(SEPARATOR)).toString('base64url')

/** Of numbers only whole ones: PostgreSQL takes no fractions where it has them. */
function decodeValue(text: string): string | number | null {
  const [kind, value] = [text[0], text.slice(1)]
  if (kind === 's') return value
  return kind === 'n' && /^-?\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : null
}

/** `types`: of its values, as `number,string`. Throws `bad_request` for what is no such cursor. */
export function decodeCursor(text: string, types: string): Cursor {
  const cursor = Buffer.from(text, 'base64url').toString().split(SEPARATOR).map(decodeValue)
  if (cursor.map((value) => typeof value).join() === types) return cursor as Cursor
  throw new CalotypeError('bad_request', 'This cursor is not one of this list. Start again at its first page, without a cursor.')
}
