// The composition root of the commands that look after what is kept, beside running servers or instead of one.
import { existsSync, mkdirSync } from 'node:fs'
import { accountDeps, isCluster, openBlobs, openData, openDatabase, openReserve, s3Settings, sqliteFile } from './adapters.ts'
import type { Config } from './config.ts'
import { StartError } from './errors.ts'
import type { AccountDeps } from './flow/account-deps.ts'
import { backUp as backUpAll, type BackUpOptions, type LostOriginal } from './flow/back-up.ts'
import { readManifest, type Manifest } from './flow/backup-folder.ts'
import { examine as examineAll, type Examined, type ExamineOptions } from './flow/examine.ts'
import { examineSurroundings, type Surroundings } from './flow/examine-surroundings.ts'
import { reasonOf, type FindingCode, type Report } from './flow/findings.ts'
import { giveUpLost, restore as restoreAll } from './flow/restore.ts'
import { collect } from './flow/sweep.ts'
import type { Logger } from './log.ts'
import { createSqlImageStore } from './record/sql-image-store.ts'
import { createSqlRowArchive } from './record/sql-row-archive.ts'
import { createSqlRowSurvey } from './record/sql-row-survey.ts'
import { lockDataDir, readServerInfo } from './store/data-dir-lock.ts'

/** Rows as they are: nothing is migrated, and with `readOnly` nothing can be written (embedded). */
async function visitRows(config: Config, log: Logger, { readOnly }: { readOnly: boolean }) {
  if (!isCluster(config) && !existsSync(sqliteFile(config))) {
    throw new StartError(`DATA_DIR ${config.dataDir} has no calotype.sqlite: no server ever ran on it.`)
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
    return await examineAll({ blobs, images: createSqlImageStore(database), survey, report, onProgress }, { ...options, isServed })
  } finally {
    await blobs?.close()
    await database.close()
  }
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
    postgres: isCluster(config) ? async () => (await import('./db/postgres-facts.ts')).postgresFacts(config.databaseUrl) : null,
    redis: isCluster(config) ? async () => (await import('./db/redis-facts.ts')).redisFacts(config.redisUrl, log) : null,
    s3: isFolderStore ? null : async () => (await import('./store/s3-facts.ts')).s3Facts(s3Settings(config)),
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
    throw new StartError(`DATA_DIR ${config.dataDir} has a database. A backup is restored into an empty place only.`)
  }
  const lock = isCluster(config) ? null : lockDataDir(config.dataDir, { pid: process.pid })
  try {
    const blobs = await openBlobs(config, log)
    try {
      // Rows go into the tables they were taken from, which are then brought up to date as any others.
      const then = await openDatabase(config, log, { version: { upTo: manifest.schema } })
      const archive = createSqlRowArchive(then.database)
      const lost = await restoreAll({ blobs, archive, onProgress }, folder, manifest).finally(() => then.database.close())
      const { database } = await openDatabase(config, log)
      try {
        const survey = createSqlRowSurvey(database)
        await giveUpLost(survey, lost)
        for (const { sha256, code } of lost)
          report({ code, what: `An original is not in the backup as it was uploaded: ${sha256}`, mended: true })
        const deps = { blobs, images: createSqlImageStore(database), survey, report, onProgress }
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
  const { migrated, images, close } = await openData(config, log)
  try {
    const differences = await images.recount()
    return [
      ...migrated.map((name) => `ran ${name}`),
      ...differences.map(({ of, kept, counted }) => `counted anew: ${counted} ${of}, where ${kept} were kept`),
    ]
  } finally {
    await close()
  }
}

/** Empties rows and bytes of every image, and batches that have none yet. Returns how many images there were. */
export async function deleteAllImages(config: Config, log: Logger): Promise<number> {
  const { images, blobs, close } = await openData(config, log)
  try {
    let deleted = 0
    for (;;) {
      const { images: page } = await images.list({ sort: 'newest', limit: 1_000 }, null)
      if (page.length === 0) break
      for (const image of page) await images.delete(image.id, null)
      deleted += page.length
      log.info({ deleted }, 'deleting images')
    }
    await images.forgetDeclared()
    await images.reclaim(!isCluster(config))
    await collect({ blobs, images }, 0)
    return deleted
  } finally {
    await close()
  }
}
