// Keyset pages: a list goes on behind the last row of the page before, which a cursor names. Clients may send back anything.
import { sql } from 'kysely'
import { CalotypeError } from '../errors.ts'

/** Values of the columns that a list is ordered by, by their types. */
interface Places {
  number: [number]
  'number,string': [number, string]
  'string,string': [string, string]
}

/** The place of a row in a list that is ordered by one column, and by the id where that column is equal. */
export type Place = [value: string | number, id: string]

/** No value has it: PostgreSQL takes no NUL in a text. */
const SEPARATOR = '\0'

/** Not JSON, in which a name of control characters is six times as long. */
export const encodeCursor = (place: (string | number)[]) =>
  Buffer.from(place.map((value) => `${typeof value === 'number' ? 'n' : 's'}${value}`).join(SEPARATOR)).toString('base64url')

/** Of numbers only whole ones: PostgreSQL takes no fractions where it has them. */
function decodeValue(text: string): string | number | null {
  const [kind, value] = [text[0], text.slice(1)]
  if (kind === 's') return value
  return kind === 'n' && /^-?\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : null
}

/** Throws `bad_request` for what is not a cursor of a list that is ordered by columns of these `types`. */
export function decodeCursor<Types extends keyof Places>(text: string, types: Types): Places[Types] {
  const place = Buffer.from(text, 'base64url').toString().split(SEPARATOR).map(decodeValue)
  if (place.map((value) => typeof value).join() === types) return place as Places[Types]
  throw new CalotypeError('bad_request', 'This cursor is not one of this list. Start again at its first page, without a cursor.')
}

/** Compares rows with a place: `<` finds those behind it in a descending list, `>` in an ascending one. */
export const compared = ([column, id]: [column: string, id: string], by: '<' | '>' | '<=' | '>=', place: Place) =>
  sql<boolean>`(${sql.ref(column)}, ${sql.ref(id)}) ${sql.raw(by)} (${place[0]}, ${place[1]})`

export interface PageOf<Item> {
  items: Item[]
  /** The cursor of the next page; null on the last one. */
  next: string | null
}

/** Makes a page of `rows`, which were read with a limit one above `limit`: the extra row tells that there is a next page. */
export function toPage<Row, Item>(rows: Row[], limit: number, placeOf: (row: Row) => Place, toItem: (row: Row) => Item): PageOf<Item> {
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return { items: rows.slice(0, limit).map(toItem), next: last === undefined ? null : encodeCursor(placeOf(last)) }
}
