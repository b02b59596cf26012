// The batch store on SQL.
import type { Quota } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import type { BatchStore } from './batch-store.ts'
import { declareBatch } from './declare-batch.ts'
import { cancelBatch, closeComplete, expireDeclared, forgetDeclared, sweepEmpty } from './end-batch.ts'
import { getBatch, isCancelled, isDeclared, listBatches, listBatchFiles } from './read-batches.ts'
import { receiveDeclared } from './receive-declared.ts'
import { retryBatch } from './retry-batch.ts'

/** `quota` is that of users who have none of their own. */
export function createSqlBatchStore(database: Database, quota: Quota): BatchStore {
  const { read } = database
  return {
    declare: (declaration) => retryConflicts(() => declareBatch(database, declaration, quota)),
    isDeclared: (id, owner) => isDeclared(read, id, owner),
    isCancelled: (id) => isCancelled(read, id),
    receive: (id, arrivals, owner) => retryConflicts(() => receiveDeclared(database, id, arrivals, owner, quota)),
    get: (id, owner) => getBatch(read, id, owner),
    list: (query, owner) => listBatches(read, query, owner),
    listFiles: (query, owner) => listBatchFiles(read, query, owner),
    cancel: (id, owner) => retryConflicts(() => cancelBatch(database, id, owner)),
    retry: (id, maxFileBytes, owner) => retryConflicts(() => retryBatch(database, id, maxFileBytes, owner)),
    async expireDeclared() {
      await retryConflicts(() => closeComplete(database))
      return retryConflicts(() => expireDeclared(database))
    },
    sweepEmpty: (ageMs) => sweepEmpty(database, ageMs),
    forgetDeclared: () => forgetDeclared(database),
  }
}
