// At each start: whether the database and the store are those that were last used together. What one lacks is never a reason to delete.
import { randomUUID } from 'node:crypto'
import { originalKey } from '../../rendition/keys.ts'
import type { Logger } from '../../log.ts'
import type { DeletionHalt, HaltReason, KnownStore, UnknownOriginals } from '../../record/originals/known-store.ts'
import type { RowSurvey } from '../../record/admin/row-survey.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import { findUnknown, tally, type FindDeps, type UnknownOriginal } from './unknown-originals.ts'

export interface CheckDeps extends FindDeps {
  survey: RowSurvey
  knownStore: KnownStore
  log: Logger
}

/** Of the originals that rows speak of, so many are looked for. */
const SAMPLE = 100
const MAX_LOOKS_AT_ONCE = 8
const LOGGED_EVERY = 50_000

/**
 * Writes a new run id to both, if they had the same and nothing went wrong since. Otherwise looks through the store first: when it has
 * originals that no row speaks of, or none of those that rows speak of, deletion is halted, and the halt is returned and logged with its
 * remedies. `afterCrash`: the process before did not end in order. `anew`: a person says that this database and this store are to be
 * used together from now on, whatever they lack of each other.
 */
export async function checkStore(
  deps: CheckDeps,
  { afterCrash = false, anew = false }: { afterCrash?: boolean; anew?: boolean } = {},
): Promise<DeletionHalt | null> {
  const { blobs, knownStore, log } = deps
  if (anew) {
    await useTogether(deps, { acceptUnknown: true })
    return null
  }
  const [storeRun, { runId, acceptedAt, halt }] = await Promise.all([blobs.readRunId(), knownStore.read()])
  const isTheSame = runId !== null && runId === storeRun
  if (isTheSame && !afterCrash && !halt) {
    await useTogether(deps)
    return null
  }
  const isAnother = !isTheSame && (await hasNoneOf(deps))
  const unknown = await lookThrough(deps, acceptedAt)
  if (!isAnother && unknown.originals === 0) {
    if (halt) log.info('the store has no unknown originals any more: deletion goes on')
    await useTogether(deps)
    return null
  }
  // Matches no database from now on, so that a later start with another copy of it looks through the store as well. The store of another
  // Calotype is left as it is.
  if (!isTheSame && !isAnother) await blobs.writeRunId(randomUUID())
  const reason: HaltReason = isAnother ? 'another_store' : 'unknown_originals'
  await knownStore.halt(reason, unknown)
  log.warn({ reason, ...unknown }, haltInWords(reason, unknown))
  return (await knownStore.read()).halt
}

/** From now on they belong together: a new run id in both, and deletion is not halted any more. */
export async function useTogether({ blobs, knownStore }: Pick<CheckDeps, 'blobs' | 'knownStore'>, options?: { acceptUnknown?: boolean }) {
  await knownStore.adopt(async () => {
    const runId = randomUUID()
    await blobs.writeRunId(runId)
    return runId
  }, options)
}

/**
 * Gives database and store a new run id, if they have the same: at an orderly end and now and then, so that a copy of the database that
 * was made before is told from this one, if it is ever put back.
 */
export async function renewRun({ blobs, knownStore }: Pick<CheckDeps, 'blobs' | 'knownStore'>): Promise<void> {
  const [storeRun, { runId, halt }] = await Promise.all([blobs.readRunId(), knownStore.read()])
  if (runId !== null && runId === storeRun && !halt) await useTogether({ blobs, knownStore })
}

/** Whether rows speak of originals, and the store has none of those that were looked for. */
async function hasNoneOf({ blobs, survey }: CheckDeps): Promise<boolean> {
  const sample = await survey.sampleOriginals(SAMPLE)
  let found = 0
  await forEachConcurrent(MAX_LOOKS_AT_ONCE, sample, async (sha256) => {
    if (await blobs.stat(originalKey(sha256))) found++
  })
  return sample.length > 0 && found === 0
}

async function lookThrough(deps: CheckDeps, acceptedAt: number | null): Promise<UnknownOriginals> {
  const unknown: UnknownOriginal[] = []
  const looked = (originals: number) => {
    if (originals > 0 && originals % LOGGED_EVERY === 0) deps.log.info({ originals, unknown: unknown.length }, 'looking through the store')
  }
  for await (const original of findUnknown(deps, acceptedAt, looked)) unknown.push(original)
  return tally(unknown)
}

const day = (ms: number | null) => (ms === null ? '' : new Date(ms).toISOString().slice(0, 10))

/** What was found, and what a person can do about it. */
export function haltInWords(reason: HaltReason, { originals, bytes, oldestAt, newestAt }: UnknownOriginals): string {
  if (reason === 'another_store')
    return (
      'Deletion is halted: this does not look like the store that the database belongs to, as it has none of the originals that were looked ' +
      'for, or was used with another database since. Mount the right disk, or set S3_BUCKET or DATA_DIR to the right store, and start again. ' +
      'If the originals are lost, `calotype doctor --repair` marks their images as failed.'
    )
  return (
    `Deletion is halted: the store has ${originals} originals (${Math.ceil(bytes / 1e6)} MB, stored from ${day(oldestAt)} to ` +
    `${day(newestAt)}) that the database does not know, so the database is a new one or an older copy. Stop, put the newest copy of the ` +
    'database back (or restore a backup with `calotype restore`), and start again. If there is none, `calotype doctor --adopt` makes ' +
    'images of them, and `calotype doctor --repair --delete-unknown` deletes them.'
  )
}
