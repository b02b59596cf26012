// The original store on SQL: originals that are expected at the same time share a commit.
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import { groupCommit } from '../group-commit.ts'
import { collectableOriginals, forgetOriginals, keepOriginals, knownOriginals } from './collect-originals.ts'
import { expectOriginals, giveUpExpected, releaseOriginals } from './expect-originals.ts'
import type { OriginalStore, StoredBytes } from './original-store.ts'

// At the bulk row limit of `query-parts.ts`, with what an upload stores at once (`flow/upload/group-files.ts`).
const MAX_GROUPS = 64

export function createSqlOriginalStore(database: Database): OriginalStore {
  const { read, write } = database
  const expect = groupCommit((groups: StoredBytes[][]) => retryConflicts(() => expectOriginals(database, groups)), MAX_GROUPS)
  return {
    expect: (originals) => expect(originals),
    giveUpExpected: () => giveUpExpected(database),
    release: (originals) => releaseOriginals(database, originals),
    collectable: (graceMs, limit) => retryConflicts(() => collectableOriginals(database, graceMs, limit)),
    keep: (hashes) => keepOriginals(write, hashes),
    forget: (hashes) => forgetOriginals(write, hashes),
    known: (hashes) => knownOriginals(read, hashes),
  }
}
