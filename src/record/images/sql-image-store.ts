// The image store on SQL: the same queries on SQLite and PostgreSQL. Small writes that wait at the same time share a commit.
import type { Quota } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database } from '../../db/schema.ts'
import { receiveDeclared } from '../batches/receive-declared.ts'
import { claimWork, giveBackWork, reclaimWork, renewLease } from '../work/claim-work.ts'
import {
  abandonedBatches,
  collectableOriginals,
  deleteImage,
  expectOriginals,
  forgetOriginals,
  giveUpExpected,
  keepOriginals,
  knownOriginals,
  releaseOriginals,
  sweepAborted,
} from '../originals/collect-originals.ts'
import { differingCounts, foldCounts, recount } from '../admin/counts.ts'
import { declareBatch } from '../batches/declare-batch.ts'
import { abortBatch, cancelBatch, closeComplete, expireDeclared, forgetDeclared, sweepEmpty } from '../batches/end-batch.ts'
import { finishWork } from '../work/finish-work.ts'
import { groupCommit } from '../group-commit.ts'
import { renewUpload, reserveKey, sweepKeys, unreserveKey } from '../uploads/idempotency-keys.ts'
import type { Entry, Finished, ImageStore } from './image-store.ts'
import { deleteImages, getImages, retryImages } from './many-images.ts'
import {
  countImages,
  countPending,
  getImage,
  getImageInBatch,
  findRendition,
  listImages,
  pendingJobs,
  readBacklog,
  workOf,
} from './read-images.ts'
import { getBatch, isCancelled, isDeclared, listBatches, listBatchFiles } from '../batches/read-batches.ts'
import { addRecipe } from '../renditions/recipes.ts'
import { recordUploads } from '../uploads/record-uploads.ts'
import { retryBatch, retryImage } from './retry-failed.ts'

// At the bulk row limit of `image-rows.ts`, with what a request records at once (`flow/upload/upload-images.ts`).
const MAX_ENTRIES = 64
const MAX_OUTCOMES = 500
// Where each statement is a round trip, outcomes that can wait for others share theirs: less than 5 transactions a second of a worker.
const OUTCOMES_INTERVAL_MS = 205

/** `quota` is that of users who have none of their own. */
export function createSqlImageStore(database: Database, quota: Quota = { bytes: null, images: null }): ImageStore {
  const { read, write } = database
  const record = groupCommit((entries: Entry[]) => retryConflicts(() => recordUploads(database, entries, quota)), MAX_ENTRIES)
  const finish = groupCommit((results: Finished[]) => retryConflicts(() => finishWork(database, results)), MAX_OUTCOMES)
  const expect = groupCommit(
    (groups: Parameters<ImageStore['expect']>[0][]) => retryConflicts(() => expectOriginals(database, groups)),
    MAX_ENTRIES,
  )
  return {
    record,
    abort: (batchId) => retryConflicts(() => abortBatch(database, batchId)),
    renewUpload: (batchId, leaseMs) => renewUpload(database, batchId, leaseMs),
    abandoned: (isOnlyServer) => abandonedBatches(database, isOnlyServer),
    sweepAborted: () => retryConflicts(() => sweepAborted(database)),
    addRecipe: (recipe) => addRecipe(write, recipe),
    claim: (hashes, lease) => retryConflicts(() => claimWork(database, hashes, lease)),
    renew: (tokens, lease) => renewLease(database, tokens, lease),
    giveBack: (works) => giveBackWork(database, works),
    finish: (result, canWaitMs = 0) => finish(result, canWaitMs > 0 && database.isRemote ? OUTCOMES_INTERVAL_MS : canWaitMs),
    reclaim: (isOnlyServer) => retryConflicts(() => reclaimWork(database, isOnlyServer)),
    pending: (limit, cursor) => pendingJobs(read, limit, cursor),
    countPending: () => countPending(read),
    backlog: () => readBacklog(database),
    get: (id, owner) => getImage(read, id, owner),
    findRendition: (id, preset, owner) => findRendition(read, id, preset, owner),
    getInBatch: (batchId, index, owner) => getImageInBatch(read, batchId, index, owner),
    getMany: (ids, owner) => getImages(read, ids, owner),
    list: (query, owner) => listImages(database, query, owner),
    workOf: (ids) => workOf(read, ids),
    count: (filter, owner) => countImages(database, filter, owner),
    foldCounts: () => foldCounts(database),
    differingCounts: () => differingCounts(read),
    recount: () => retryConflicts(() => recount(database)),
    declare: (declaration) => retryConflicts(() => declareBatch(database, declaration, quota)),
    isDeclared: (batchId, owner) => isDeclared(read, batchId, owner),
    isCancelled: (batchId) => isCancelled(read, batchId),
    arrive: (batchId, arrivals, owner) => retryConflicts(() => receiveDeclared(database, batchId, arrivals, owner, quota)),
    batch: (id, owner) => getBatch(read, id, owner),
    batches: (query, owner) => listBatches(read, query, owner),
    batchFiles: (query, owner) => listBatchFiles(read, query, owner),
    cancelBatch: (id, owner) => retryConflicts(() => cancelBatch(database, id, owner)),
    retryBatch: (id, maxFileBytes, owner) => retryConflicts(() => retryBatch(database, id, maxFileBytes, owner)),
    async expireDeclared() {
      await retryConflicts(() => closeComplete(database))
      return retryConflicts(() => expireDeclared(database))
    },
    sweepEmpty: (ageMs) => sweepEmpty(database, ageMs),
    forgetDeclared: () => forgetDeclared(database),
    retry: (id, owner) => retryConflicts(() => retryImage(database, id, owner)),
    retryMany: (ids, owner) => retryImages(database, ids, owner),
    delete: (id, owner) => retryConflicts(() => deleteImage(database, id, owner)),
    deleteMany: (ids, owner) => deleteImages(database, ids, owner),
    expect: (originals) => expect(originals),
    giveUpExpected: () => giveUpExpected(database),
    release: (originals) => releaseOriginals(database, originals),
    collectable: (graceMs, limit) => retryConflicts(() => collectableOriginals(database, graceMs, limit)),
    keep: (hashes) => keepOriginals(write, hashes),
    forget: (hashes) => forgetOriginals(write, hashes),
    known: (hashes) => knownOriginals(read, hashes),
    reserve: (key, batchId, leaseMs) => reserveKey(database, key, batchId, leaseMs),
    unreserve: (key, batchId) => unreserveKey(database, key, batchId),
    sweepKeys: (lifetimeMs, isOnlyServer) => sweepKeys(database, lifetimeMs, isOnlyServer),
  }
}
