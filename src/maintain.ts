// The composition root of the commands that look after what is kept, beside running servers or instead of one.
import { existsSync, mkdirSync } from 'node:fs'
import { createAccountDeps } from './adapters/accounts.ts'
import { isFolderStore, openBlobs, openReserve } from './adapters/bytes.ts'
import { openData, visitData, visitRows } from './adapters/data.ts'
import { openRows, sqliteFile, type Rows } from './adapters/rows.ts'
import { surroundingsOf } from './adapters/surroundings.ts'
import { isCluster } from './adapters/topology.ts'
import type { Config } from './config.ts'
import { LATEST } from './db/migrations.ts'
import { StartError } from './errors.ts'
import type { AccountDeps } from './flow/accounts/account-deps.ts'
import { backUp as backUpAll, type BackUpOptions } from './flow/backup/back-up.ts'
import { readManifest, type LostOriginal, type Manifest } from './flow/backup/backup-folder.ts'
import { giveUpLost, restore as restoreAll, settlingOf } from './flow/backup/restore.ts'
import { examine as examineAll, type Examined, type ExamineOptions } from './flow/doctor/examine.ts'
import { examineSurroundings } from './flow/doctor/examine-surroundings.ts'
import { reasonOf, type FindingCode, type Report } from './flow/doctor/findings.ts'
import { adoptOriginals, type Adopted } from './flow/originals/adopt-originals.ts'
import { checkStore, haltInWords, useTogether } from './flow/originals/check-store.ts'
import { collect } from './flow/originals/delete-originals.ts'
import { deleteUnknown as deleteAllUnknown, findAllUnknown, type Unknown } from './flow/originals/delete-unknown.ts'
import type { Logger } from './log.ts'
import type { DeletionHalt, UnknownOriginals } from './record/originals/known-store.ts'
import { RECIPE } from './rendition/presets.ts'
import type { BlobStore } from './store/blob-store.ts'
import { lockDataDir, readServerInfo } from './store/data-dir-lock.ts'

/** Reports all it finds. Null where rows or bytes could not be opened, which is a finding. Throws StartError for a wrong setting. */
export async function examine(
  config: Config,
  log: Logger,
  options: Omit<ExamineOptions, 'isServed'>,
  { report, onProgress }: { report: Report; onProgress(looked: number, of: number): void },
): Promise<Examined | null> {
  const usable = async <T>(code: FindingCode, open: () => Promise<T>): Promise<T | null> => {
    try {
      return await open()
    } catch (error) {
      report({ code, what: reasonOf(error), mended: false })
      return null
    }
  }
  if (options.repair) openReserve(config, log).giveUpIfFull()
  await using opened = new AsyncDisposableStack()
  const { records, survey, knownStore } = opened.adopt(await visitRows(config, log, { readOnly: !options.repair }), (one) => one.close())
  const storeCode = isFolderStore(config) ? 'folder_unusable' : 'store_unusable'
  const blobs = await usable(storeCode, () => openBlobs(config, log, { asVisitor: true }))
  if (blobs) opened.defer(() => blobs.close())
  await examineSurroundings(blobs, surroundingsOf(config, log), report)
  if (!blobs) return null
  const isServed = isCluster(config) || readServerInfo(config.dataDir) !== null
  return await examineAll({ ...records, blobs, knownStore, log, survey, report, onProgress }, { ...options, isServed })
}

/**
 * Makes images of all originals that the rows do not know, of the user with this e-mail address. Where there are users one has to be
 * named, and where there are none, nobody can be: throws StartError. Deletion goes on when no original is left.
 */
export function adoptUnknown(config: Config, log: Logger, email: string | null, onProgress: (adopted: number) => void): Promise<Adopted> {
  return visitData(config, log, { readOnly: false }, async ({ blobs, records, knownStore, database }) => {
    const { accounts } = createAccountDeps(database, openReserve(config, log), config)
    const owner = email === null ? null : ((await accounts.findUser(email.toLowerCase()))?.user ?? null)
    if (email !== null && !owner) throw new StartError(`Nobody has the address ${email}. Name the owner by --owner.`)
    if (email === null && (await accounts.hasUsers()))
      throw new StartError('Whose images are they to be? Name the owner: --owner <address>.')
    const adopted = await adoptOriginals({ ...records, blobs, recipe: RECIPE, onProgress }, owner?.id ?? null)
    if (adopted.left.length === 0) await useTogether({ blobs, knownStore })
    return adopted
  })
}

/** Deletes all originals and developed images that the rows do not know, if `confirm`, which is told what they are, resolves to true. */
export function deleteUnknown(
  config: Config,
  log: Logger,
  confirm: (unknown: Unknown) => Promise<boolean>,
): Promise<UnknownOriginals | null> {
  return visitData(config, log, { readOnly: false }, async ({ records: { originals }, blobs, survey }) => {
    const unknown = await findAllUnknown({ blobs, originals })
    const isNothing = unknown.originals.length + unknown.renditions.length === 0
    return isNothing || (await confirm(unknown)) ? await deleteAllUnknown({ blobs, originals, survey }, unknown) : null
  })
}

export interface BackUpHooks {
  onProgress(what: 'copied' | 'verified', originals: number): void
  onFault(fault: LostOriginal): void
}

/** Without a choice, originals in a folder are copied, and of those in S3 there is a list. */
export async function backUp(
  config: Config,
  log: Logger,
  { folder, originals = isFolderStore(config) ? 'copy' : 'list' }: { folder: string; originals?: BackUpOptions['originals'] },
  { onProgress, onFault }: BackUpHooks,
): Promise<Manifest> {
  if (originals === 'link' && !isFolderStore(config))
    throw new StartError('The originals are in S3: they can be copied or listed, not linked.')
  return await visitData(config, log, { readOnly: true }, ({ blobs, archive, survey }) =>
    backUpAll({ blobs, archive, survey, onProgress }, { folder, originals }, onFault),
  )
}

export interface RestoreHooks {
  report: Report
  onProgress(restored: number, of: number): void
}

/** Into an empty place. Reports each original that is not what was uploaded, and what else is missing. */
export async function restore(config: Config, log: Logger, folder: string, hooks: RestoreHooks): Promise<Manifest> {
  const manifest = await readManifest(folder)
  if (!isCluster(config) && existsSync(sqliteFile(config))) {
    throw new StartError(
      `DATA_DIR ${config.dataDir} has a database. A backup is restored into an empty place only: move calotype.sqlite and the files beside ` +
        'it aside, or set DATA_DIR to a new folder.',
    )
  }
  await using opened = new AsyncDisposableStack()
  if (!isCluster(config)) opened.adopt(lockDataDir(config.dataDir, { pid: process.pid }), (lock) => lock.release())
  const blobs = opened.adopt(await openBlobs(config, log), (one) => one.close())
  const lost = await loadRows(config, log, { folder, manifest, blobs }, hooks)
  const rows = opened.adopt(await openRows(config, {}, { log }), (one) => one.close())
  await settleRestored({ manifest, blobs, rows, lost, log }, hooks)
  return manifest
}

/** Rows go into the tables they were taken from, which are then brought up to date as any others. Returns the originals that are lost. */
async function loadRows(
  config: Config,
  log: Logger,
  { folder, manifest, blobs }: { folder: string; manifest: Manifest; blobs: BlobStore },
  { onProgress }: RestoreHooks,
): Promise<LostOriginal[]> {
  await using opened = new AsyncDisposableStack()
  const { archive } = opened.adopt(await openRows(config, { version: { upTo: manifest.schema } }, { log }), (one) => one.close())
  return await restoreAll({ blobs, archive, onProgress }, folder, manifest, manifest.schema === LATEST)
}

/** What has to be true of the rows once they are in their place, and of the store beside them. */
async function settleRestored(
  { manifest, blobs, rows, lost, log }: { manifest: Manifest; blobs: BlobStore; rows: Rows; lost: LostOriginal[]; log: Logger },
  { report, onProgress }: RestoreHooks,
): Promise<void> {
  const { records, survey, knownStore, archive } = rows
  if (manifest.schema !== LATEST) await archive.settle(settlingOf(manifest))
  await giveUpLost(survey, lost)
  for (const { sha256, code } of lost)
    report({ code, what: `An original is not in the backup as it was uploaded: ${sha256}`, mended: true })
  const deps = { ...records, blobs, knownStore, log, survey, report, onProgress }
  // From now on these rows belong to this store, which may have originals that are younger than the backup.
  await useTogether(deps)
  const halt = await checkStore(deps, { afterCrash: true })
  if (halt) report({ code: 'deletion_halted', what: haltInWords(halt.reason, halt.unknown), mended: false })
  // The bytes came from elsewhere: whether they are there, and what was made of them.
  if (manifest.originals === 'list') await examineAll(deps, { repair: true, sample: 0, graceMs: Infinity, isServed: false })
}

/** Accounts alone, for commands: also beside a server that runs on this DATA_DIR, whose database takes another writer. */
export async function openAccounts(config: Config, log: Logger): Promise<AccountDeps & { close(): Promise<void> }> {
  if (!isCluster(config)) mkdirSync(config.dataDir, { recursive: true })
  const reserve = openReserve(config, log)
  reserve.giveUpIfFull()
  const isBeside = !isCluster(config) && readServerInfo(config.dataDir) !== null
  const { database, close } = await openRows(config, { version: isBeside ? 'as it is' : 'latest' }, { log })
  return { ...createAccountDeps(database, reserve, config), close }
}

/** Brings the database up to date, and its counts, if they are not what the rows say. Returns what was done, line by line. */
export async function migrate(config: Config, log: Logger): Promise<string[]> {
  await using opened = new AsyncDisposableStack()
  const { migrated, records } = opened.adopt(await openData(config, log), (one) => one.close())
  const differences = await records.counts.recount()
  return [
    ...migrated.map((name) => `ran ${name}`),
    ...differences.map(({ of, kept, counted }) => `counted anew: ${counted} ${of}, where ${kept} were kept`),
  ]
}

/**
 * Empties rows and bytes of every image, and batches that have none yet. Returns how many images there were, and, if deletion is halted,
 * why their bytes are still there.
 */
export async function deleteAllImages(config: Config, log: Logger): Promise<{ deleted: number; halt: DeletionHalt | null }> {
  await using opened = new AsyncDisposableStack()
  const { records, blobs, knownStore } = opened.adopt(await openData(config, log), (one) => one.close())
  let deleted = 0
  for (;;) {
    const { images } = await records.images.list({ sort: 'newest', limit: 1_000 }, null)
    if (images.length === 0) break
    const gone = await records.images.deleteMany(
      images.map(({ id }) => id),
      null,
    )
    deleted += gone.length
    log.info({ deleted }, 'deleting images')
  }
  await records.batches.forgetDeclared()
  await records.work.reclaim(!isCluster(config))
  await collect({ blobs, originals: records.originals, knownStore, log }, 0)
  return { deleted, halt: (await knownStore.read()).halt }
}
