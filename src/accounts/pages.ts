// What lists of accounts share: pages by time and id, the newest first, and the search in texts.
import { sql, type Expression, type RawBuilder } from 'kysely'
import { CalotypeError } from '../errors.ts'
import type { PageOf } from './account-store.ts'

interface Place {
  at: number
  id: string
}

const encode = ({ at, id }: Place) => Buffer.from(JSON.stringify([at, id])).toString('base64url')

/** Throws `bad_request` for what is no cursor of these lists. */
export function placeOf(cursor: string): Place {
  try {
    const [at, id, ...more] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[]
    if (Number.isSafeInteger(at) && typeof id === 'string' && !id.includes('\0') && more.length === 0) return { at: at as number, id }
  } catch {
    // Not JSON: answered like any other text that is no cursor.
  }
  throw new CalotypeError('bad_request', 'This cursor is not one of this list. Start again at its first page, without a cursor.')
}

/** From one row more than `limit`, which tells whether there is a next page. */
export function toPage<Row, T>(rows: Row[], limit: number, place: (row: Row) => Place, toItem: (row: Row) => T): PageOf<T> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return { items: rows.slice(0, limit).map(toItem), next: last === undefined ? null : encode(place(last)) }
}

/** Whether `column` has `text` in it, upper and lower case being the same. */
export function contains(column: Expression<string | null>, text: string): RawBuilder<boolean> {
  return sql<boolean>`lower(coalesce(${column}, '')) like lower(${`%${literally(text)}%`}) escape '\\'`
}

export const startsWith = (column: Expression<string>, text: string): RawBuilder<boolean> =>
  sql<boolean>`${column} like ${`${literally(text)}%`} escape '\\'`

/** For `like`. No text of the database has a NUL. */
const literally = (text: string) => text.replaceAll('\0', '').replace(/[\\%_]/g, '\\$&')
