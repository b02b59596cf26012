// The work store on SQL: outcomes that wait at the same time share a commit.
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import { groupCommit } from '../group-commit.ts'
import { claimWork, giveBackWork, reclaimWork, renewLease } from './claim-work.ts'
import { finishWork } from './finish-work.ts'
import { countPending, pendingWork, readBacklog, workDoneFor } from './read-work.ts'
import type { Finished, WorkStore } from './work-store.ts'

const MAX_OUTCOMES = 500
// Where each statement is a round trip, outcomes that can wait for others share theirs: less than 5 transactions a second of a worker.
const OUTCOMES_INTERVAL_MS = 205

export function createSqlWorkStore(database: Database): WorkStore {
  const { read } = database
  const finish = groupCommit((results: Finished[]) => retryConflicts(() => finishWork(database, results)), MAX_OUTCOMES)
  return {
    claim: (hashes, lease) => retryConflicts(() => claimWork(database, hashes, lease)),
    renew: (tokens, lease) => renewLease(database, tokens, lease),
    giveBack: (works) => giveBackWork(database, works),
    finish: (result, maxDelayMs = 0) => finish(result, maxDelayMs > 0 && database.isRemote ? OUTCOMES_INTERVAL_MS : maxDelayMs),
    reclaim: (isOnlyServer) => retryConflicts(() => reclaimWork(database, isOnlyServer)),
    pending: (limit, cursor) => pendingWork(read, limit, cursor),
    countPending: () => countPending(read),
    backlog: () => readBacklog(database),
    doneFor: (ids) => workDoneFor(read, ids),
  }
}
