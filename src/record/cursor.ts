// Where a page of a list ended: opaque to clients, who may send back anything.
import { CalotypeError } from '../errors.ts'

export type Cursor = (string | number)[]

export const encodeCursor = (cursor: Cursor) => Buffer.from(JSON.stringify(cursor)).toString('base64url')

/** PostgreSQL takes no fractions where it has whole numbers, and no NUL in a text. */
const isKept = (value: string | number) => (typeof value === 'number' ? Number.isSafeInteger(value) : !value.includes('\0'))

/** `types`: of its values, as `number,string`. Throws `bad_request` for what is no such cursor. */
export function decodeCursor(text: string, types: string): Cursor {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as Cursor
    if (Array.isArray(cursor) && cursor.map((value) => typeof value).join() === types && cursor.every(isKept)) return cursor
  } catch {
    // Not JSON: answered like any other text that is no cursor.
  }
  throw new CalotypeError('bad_request', 'This cursor is not one of this list. Start again at its first page, without a cursor.')
}
