// Names by a part of them: what the index of each database is asked.
import { sql, type Kysely } from 'kysely'
import type { Database, Schema } from './schema.ts'

type FindNames = Database['findNames']

const TRIGRAM = 3
// Rows that have so many trigrams of a long part hardly lack the others, and a look at the name decides anyway.
const MOST_TRIGRAMS = 16

/** Every term of FTS5 is one trigram, in quotes; all have to be there. */
function termsOf(part: string): string | null {
  const letters = [...part]
  const count = letters.length - TRIGRAM + 1
  if (count < 1) return null
  const step = Math.max(1, count / MOST_TRIGRAMS)
  const terms = new Set<string>()
  for (let at = 0; at < count; at += step) terms.add(letters.slice(Math.floor(at), Math.floor(at) + TRIGRAM).join(''))
  return [...terms].map((term) => `"${term.replaceAll('"', '""')}"`).join(' ')
}

/** Its tokenizer takes any three characters. */
export const findNamesInSqlite: FindNames = (part) => {
  const terms = termsOf(part)
  return terms === null ? null : { key: sql.ref('images.rowid'), rows: sql`select rowid from image_names where image_names match ${terms}` }
}

/** A pattern of LIKE, with `\` as its escape, for names that have this part. */
export const patternOf = (part: string) => `%${part.replace(/[\\%_]/g, '\\$&')}%`

/** pg_trgm takes trigrams of letters and digits only. */
export const findNamesInPostgres: FindNames = (part) =>
  /[\p{L}\p{N}]{3}/u.test(part)
    ? {
        key: sql.ref('images.id'),
        rows: sql`select named.id from images as named where lower(named.name) like lower(${patternOf(part)}) escape '\\'`,
      }
    : null

export async function hasNamesIndex(db: Kysely<Schema>): Promise<boolean> {
  const { rows } = await sql`select 1 from pg_indexes where schemaname = current_schema() and indexname = 'images_by_trigrams'`.execute(db)
  return rows.length > 0
}

/** Rejects where the extension is not there and who asks may not create it. */
export async function makeNamesIndex(db: Kysely<Schema>): Promise<void> {
  await sql`create extension if not exists pg_trgm`.execute(db)
  await sql`create index if not exists images_by_trigrams on images using gin (lower(name) gin_trgm_ops)`.execute(db)
}
