// The search in texts of accounts: parts of addresses and names, upper and lower case being the same.
import { sql, type Expression, type RawBuilder } from 'kysely'
import { patternOf } from '../db/name-search.ts'

export interface SearchQuery {
  /** Rows on a page. */
  limit: number
  /** Opaque: `next` of the page before. */
  cursor?: string
  /** In e-mail addresses and names; upper and lower case are the same. */
  q?: string
}

/** No text of the database has a NUL. */
const withoutNul = (text: string) => text.replaceAll('\0', '')

/** Whether `column` has `text` in it, upper and lower case being the same. */
export const contains = (column: Expression<string | null>, text: string): RawBuilder<boolean> =>
  sql<boolean>`lower(coalesce(${column}, '')) like lower(${patternOf(withoutNul(text))}) escape '\\'`

export const startsWith = (column: Expression<string>, text: string): RawBuilder<boolean> =>
  sql<boolean>`${column} like ${patternOf(withoutNul(text)).slice(1)} escape '\\'`
