// The upload store on SQL: small uploads that wait at the same time share a commit.
import type { Quota } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import { groupCommit } from '../group-commit.ts'
import { abandonedUploads, abortUpload, sweepAborted } from './abort-uploads.ts'
import { releaseKey, renewLease, reserveKey, sweepKeys } from './idempotency-keys.ts'
import { recordUploads } from './record-uploads.ts'
import type { Entry, UploadStore } from './upload-store.ts'

// At the bulk row limit of `query-parts.ts`, with what a request records at once (`flow/upload/upload-images.ts`).
const MAX_ENTRIES = 64

/** `quota` is that of users who have none of their own. */
export function createSqlUploadStore(database: Database, quota: Quota): UploadStore {
  const record = groupCommit((entries: Entry[]) => retryConflicts(() => recordUploads(database, entries, quota)), MAX_ENTRIES)
  return {
    record,
    abort: (batchId) => retryConflicts(() => abortUpload(database, batchId)),
    renewLease: (batchId, leaseMs) => renewLease(database, batchId, leaseMs),
    abandoned: (isOnlyServer) => abandonedUploads(database, isOnlyServer),
    sweepAborted: () => retryConflicts(() => sweepAborted(database)),
    reserveKey: (key, batchId, leaseMs) => reserveKey(database, key, batchId, leaseMs),
    releaseKey: (key, batchId) => releaseKey(database, key, batchId),
    sweepKeys: (lifetimeMs, isOnlyServer) => sweepKeys(database, lifetimeMs, isOnlyServer),
  }
}
