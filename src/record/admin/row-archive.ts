// The contract of taking all rows out, as of one moment, and putting them into an empty place; the same for every database.
import type { Schema } from '../../db/schema.ts'

export type ArchivedRow = Record<string, string | number | null>

/**
 * What is over within hours anyway stays behind: whoever restores signs in anew, and confirms anew what is to be done in bulk. Counts are
 * kept by the database as rows are loaded. The store that a database belongs to is the one it is restored beside.
 */
export type TableName = Exclude<
  keyof Schema,
  | 'sessions'
  | 'login_attempts'
  | 'setup_tokens'
  | 'usage_days'
  | 'workers'
  | 'pauses'
  | 'jobs'
  | 'kept_images'
  | 'kept_files'
  | 'known_store'
>

export interface RowPage {
  /** Of the version the rows are from, which may have had others than this one. */
  table: string
  /** In the order of their primary key. */
  rows: ArchivedRow[]
}

export interface Settling {
  /** What was made of originals waits, too, as its bytes are not there. */
  remakeAll: boolean
}

export interface RowArchive {
  /**
   * Every row as of one moment, a page at a time, of each table one at least; a table refers to those before it only; of originals those that images use, of renditions theirs. `schema` is the version of
   * the tables: the name of their last migration. `body` must read all pages before it resolves.
   */
  snapshot<T>(body: (rows: { schema: string; pages: AsyncIterable<RowPage> }) => Promise<T>): Promise<T>
  /** Whether there is no row in these tables. */
  isEmpty(tables: string[]): Promise<boolean>
  /** One transaction: all rows or none. `settles`: it does what `settle` does as well, in the same transaction. */
  load(pages: AsyncIterable<RowPage>, settles: Settling | null): Promise<void>
  /** Work that was in hand when the rows were taken waits. The tables have to be of this version. */
  settle(settling: Settling): Promise<void>
}
