// The composition root of the commands that look after what is kept, beside running servers or instead of one.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { accountDeps, isCluster, openBlobs, openData, openDatabase, openReserve, s3Settings, sqliteFile } from './adapters.ts'
import type { Config } from './config.ts'
import { StartError } from './errors.ts'
import type { AccountDeps } from './flow/accounts/account-deps.ts'
import { adoptOriginals, type Adopted } from './flow/originals/adopt-originals.ts'
import { backUp as backUpAll, type BackUpOptions, type LostOriginal } from './flow/backup/back-up.ts'
import { readManifest, type Manifest } from './flow/backup/backup-folder.ts'
import { checkStore, haltInWords, useTogether } from './flow/originals/check-store.ts'
import { collect } from './flow/originals/delete-originals.ts'
import { deleteUnknown as deleteAllUnknown, findAllUnknown, type Unknown } from './flow/originals/delete-unknown.ts'
import { examine as examineAll, type Examined, type ExamineOptions } from './flow/doctor/examine.ts'
import { examineSurroundings, type Surroundings } from './flow/doctor/examine-surroundings.ts'
import { reasonOf, type FindingCode, type Report } from './flow/doctor/findings.ts'
import { giveUpLost, restore as restoreAll, settlingOf } from './flow/backup/restore.ts'
import type { Logger } from './log.ts'
import { LATEST } from './db/migrations.ts'
import type { Database } from './db/schema.ts'
import type { Records } from './record/records.ts'
import type { DeletionHalt, KnownStore, UnknownOriginals } from './record/originals/known-store.ts'
import type { RowSurvey } from './record/admin/row-survey.ts'
import { RECIPE } from './rendition/presets.ts'
import type { BlobStore } from './store/blob-store.ts'
import { createSqlKnownStore } from './record/originals/sql-known-store.ts'
import { createSqlRecords } from './record/sql-records.ts'
import { createSqlRowArchive } from './record/admin/sql-row-archive.ts'
import { createSqlRowSurvey } from './record/admin/sql-row-survey.ts'
import { lockDataDir, readServerInfo } from './store/data-dir-lock.ts'

/** Rows as they are: nothing is migrated, and with `readOnly` nothing can be written (embedded). */
async function visitRows(config: Config, log: Logger, { readOnly }: { readOnly: boolean }) {
  if (!isCluster(config) && !existsSync(sqliteFile(config))) {
    const hasOriginals = existsSync(join(config.dataDir, 'originals'))
    throw new StartError(
      hasOriginals
        ? `DATA_DIR ${config.dataDir} has originals, and no calotype.sqlite. Put the newest copy of it back, or restore a backup with ` +
            '`calotype restore`. If there is neither, start the server, which deletes nothing, and run `calotype doctor --adopt`.'
        : `DATA_DIR ${config.dataDir} has no calotype.sqlite: no server ever ran on it.`,
    )
  }
  const { database } = await openDatabase(config, log, { version: 'as it is', readOnly })
  return database
}

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
  const database = await visitRows(config, log, { readOnly: !options.repair })
  const storeCode = config.s3Endpoint === '' ? 'folder_unusable' : 'store_unusable'
  const blobs = await usable(storeCode, () => openBlobs(config, log, { asVisitor: true }))
  try {
    await examineSurroundings(blobs, surroundings(config, log), report)
    if (!blobs) return null
    const survey = createSqlRowSurvey(database)
    const isServed = isCluster(config) || readServerInfo(config.dataDir) !== null
    const knownStore = createSqlKnownStore(database)
    const deps = { ...createSqlRecords(database), blobs, knownStore, log, survey, report, onProgress }
    return await examineAll(deps, { ...options, isServed })
  } finally {
    await blobs?.close()
    await database.close()
  }
}

/** Rows and bytes beside a server, for what `doctor` does about originals that the rows do not know. */
async function visitData<T>(config: Config, log: Logger, work: (data: VisitedData) => Promise<T>): Promise<T> {
  const database = await visitRows(config, log, { readOnly: false })
  try {
    const blobs = await openBlobs(config, log, { asVisitor: true })
    const records = createSqlRecords(database)
    const visited = { blobs, records, survey: createSqlRowSurvey(database), knownStore: createSqlKnownStore(database), database }
    return await work(visited).finally(() => blobs.close())
  } finally {
    await database.close()
  }
}

interface VisitedData {
  blobs: BlobStore
  records: Records
  survey: RowSurvey
  knownStore: KnownStore
  database: Database
}

/**
 * Makes images of all originals that the rows do not know, of the user with this e-mail address. Where there are users one has to be
 * named, and where there are none, nobody can be: throws StartError. Deletion goes on when no original is left.
 */
export function adoptUnknown(config: Config, log: Logger, email: string | null, onProgress: (adopted: number) => void): Promise<Adopted> {
  return visitData(config, log, async ({ blobs, records, knownStore, database }) => {
    const { accounts } = accountDeps(database, openReserve(config, log), config)
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
  return visitData(config, log, async ({ records, ...visited }) => {
    const data = { ...visited, originals: records.originals }
    const unknown = await findAllUnknown(data)
    const isNothing = unknown.originals.length + unknown.renditions.length === 0
    return isNothing || (await confirm(unknown)) ? await deleteAllUnknown(data, unknown) : null
  })
}

/** Of the largest files, so many should find room. */
const FILES_TO_COME = 16

function surroundings(config: Config, log: Logger): Surroundings {
  const isFolderStore = config.s3Endpoint === ''
  return {
    folder: config.dataDir,
    isFolderStore,
    leastFreeBytes: FILES_TO_COME * config.maxFileBytes,
    databasePool: config.databasePool,
    postgres: isCluster(config) ? async () => (await import('./db/postgres/postgres-facts.ts')).postgresFacts(config.databaseUrl) : null,
    redis: isCluster(config) ? async () => (await import('./db/redis/redis-facts.ts')).redisFacts(config.redisUrl, log) : null,
    s3: isFolderStore ? null : async () => (await import('./store/s3/s3-facts.ts')).s3Facts(s3Settings(config)),
  }
}

export interface BackUpHooks {
  onProgress(what: 'copied' | 'verified', originals: number): void
  onFault(fault: LostOriginal): void
}

/** Without a choice, originals in a folder are copied, and of those in S3 there is a list. */
export async function backUp(
  config: Config,
  log: Logger,
  { folder, originals = config.s3Endpoint === '' ? 'copy' : 'list' }: { folder: string; originals?: BackUpOptions['originals'] },
  { onProgress, onFault }: BackUpHooks,
): Promise<Manifest> {
  if (originals === 'link' && config.s3Endpoint !== '')
    throw new StartError('The originals are in S3: they can be copied or listed, not linked.')
  const database = await visitRows(config, log, { readOnly: true })
  try {
    const blobs = await openBlobs(config, log, { asVisitor: true })
    const archive = createSqlRowArchive(database)
    const survey = createSqlRowSurvey(database)
    return await backUpAll({ blobs, archive, survey, onProgress }, { folder, originals }, onFault).finally(() => blobs.close())
  } finally {
    await database.close()
  }
}

export interface RestoreHooks {
  report: Report
  onProgress(restored: number, of: number): void
}

/** Into an empty place. Reports each original that is not what was uploaded, and what else is missing. */
export async function restore(config: Config, log: Logger, folder: string, { report, onProgress }: RestoreHooks): Promise<Manifest> {
  const manifest = await readManifest(folder)
  if (!isCluster(config) && existsSync(sqliteFile(config))) {
    throw new StartError(
      `DATA_DIR ${config.dataDir} has a database. A backup is restored into an empty place only: move calotype.sqlite and the files beside ` +
        'it aside, or set DATA_DIR to a new folder.',
    )
  }
  const lock = isCluster(config) ? null : lockDataDir(config.dataDir, { pid: process.pid })
  try {
    const blobs = await openBlobs(config, log)
    try {
      // Rows go into the tables they were taken from, which are then brought up to date as any others.
      const then = await openDatabase(config, log, { version: { upTo: manifest.schema } })
      const archive = createSqlRowArchive(then.database)
      const isLatest = manifest.schema === LATEST
      const lost = await restoreAll({ blobs, archive, onProgress }, folder, manifest, isLatest).finally(() => then.database.close())
      const { database } = await openDatabase(config, log)
      try {
        if (!isLatest) await createSqlRowArchive(database).settle(settlingOf(manifest))
        const survey = createSqlRowSurvey(database)
        await giveUpLost(survey, lost)
        for (const { sha256, code } of lost)
          report({ code, what: `An original is not in the backup as it was uploaded: ${sha256}`, mended: true })
        const knownStore = createSqlKnownStore(database)
        const deps = { ...createSqlRecords(database), blobs, knownStore, log, survey, report, onProgress }
        // From now on these rows belong to this store, which may have originals that are younger than the backup.
        await useTogether(deps)
        const halt = await checkStore(deps, { afterCrash: true })
        if (halt) report({ code: 'deletion_halted', what: haltInWords(halt.reason, halt.unknown), mended: false })
        // The bytes came from elsewhere: whether they are there, and what was made of them.
        if (manifest.originals === 'list') await examineAll(deps, { repair: true, sample: 0, graceMs: Infinity, isServed: false })
      } finally {
        await database.close()
      }
    } finally {
      await blobs.close()
    }
  } finally {
    lock?.release()
  }
  return manifest
}

/** Accounts alone, for commands: also beside a server that runs on this DATA_DIR, whose database takes another writer. */
export async function openAccounts(config: Config, log: Logger): Promise<AccountDeps & { close(): Promise<void> }> {
  if (!isCluster(config)) mkdirSync(config.dataDir, { recursive: true })
  const reserve = openReserve(config, log)
  reserve.giveUpIfFull()
  const isBeside = !isCluster(config) && readServerInfo(config.dataDir) !== null
  const { database } = await openDatabase(config, log, { version: isBeside ? 'as it is' : 'latest' })
  return { ...accountDeps(database, reserve, config), close: () => database.close() }
}

/** Brings the database up to date, and its counts, if they are not what the rows say. Returns what was done, line by line. */
export async function migrate(config: Config, log: Logger): Promise<string[]> {
  const { migrated, records, close } = await openData(config, log)
  try {
    const differences = await records.counts.recount()
    return [
      ...migrated.map((name) => `ran ${name}`),
      ...differences.map(({ of, kept, counted }) => `counted anew: ${counted} ${of}, where ${kept} were kept`),
    ]
  } finally {
    await close()
  }
}

/**
 * Empties rows and bytes of every image, and batches that have none yet. Returns how many images there were, and, if deletion is halted,
 * why their bytes are still there.
 */
export async function deleteAllImages(config: Config, log: Logger): Promise<{ deleted: number; halt: DeletionHalt | null }> {
  const { records, blobs, knownStore, close } = await openData(config, log)
  try {
    let deleted = 0
    for (;;) {
      const { images: page } = await records.images.list({ sort: 'newest', limit: 1_000 }, null)
      if (page.length === 0) break
      const gone = await records.images.deleteMany(
        page.map(({ id }) => id),
        null,
      )
      deleted += gone.length
      log.info({ deleted }, 'deleting images')
    }
    await records.batches.forgetDeclared()
    await records.work.reclaim(!isCluster(config))
    await collect({ blobs, originals: records.originals, knownStore, log }, 0)
    return { deleted, halt: (await knownStore.read()).halt }
  } finally {
    await close()
  }
}
