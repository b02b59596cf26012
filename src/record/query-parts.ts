// What statements of every room are built from: slices of parameters, conditions on owners, text as the databases take it, pages.
import { sql } from 'kysely'
import type { Owner } from '../access.ts'
import { jsonBytes } from '../file-name.ts'

// PostgreSQL's text takes every character but NUL. U+FFFF is none at all, so hardly a name has it; one that has comes back as it was.
// Sentences about a file may have what its sender wrote in them, too.
export const encodeName = (name: string) => name.replaceAll('\uFFFF', '\uFFFF1').replaceAll('\0', '\uFFFF0')
export const decodeName = (text: string) => text.replaceAll('\uFFFF0', '\0').replaceAll('\uFFFF1', '\uFFFF')

/** Rows a statement of bulk parameters takes: SQLite binds 32,766 values at most, and the widest row here has 13. */
const MAX_BULK_ROWS = 2_000

export function* slices<T>(all: T[], size = MAX_BULK_ROWS): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Slices of the distinct values in ascending order: two servers that lock rows slice by slice lock them in the same order. */
export const orderedSlices = (values: Iterable<string>, size?: number) => slices([...new Set(values)].sort(), size)

/**
 * Condition on rows that are found by their id or in their batch: those of one owner, or everyone's. Written so that no index of owners
 * is taken for the better way, and all rows of the owner are walked through.
 */
export const isOf = (owner: Owner, table: 'images' | 'batches') =>
  owner === null ? sql<boolean>`true` : sql<boolean>`${sql.ref(`${table}.owner_id`)} || '' = ${owner}`

/** The same condition on rows that are listed: the index of owners is used. */
export const isListedFor = (owner: Owner, table: 'images' | 'batches') =>
  owner === null ? sql<boolean>`true` : sql<boolean>`${sql.ref(`${table}.owner_id`)} = ${owner}`

/** Of the names on a page of a list, in JSON: eight times those of a thousand ordinary files. */
const MAX_PAGE_NAMES_BYTES = 512 * 1024

/** The first of `rows` that make a page: at most `limit`, fewer if their names are too long in sum, but at least one. */
export function fitting<T extends { name: string }>(rows: T[], limit: number): T[] {
  let bytes = 0
  const end = rows.findIndex(({ name }, at) => at === limit || ((bytes += jsonBytes(name)) > MAX_PAGE_NAMES_BYTES && at > 0))
  return end === -1 ? rows : rows.slice(0, end)
}
