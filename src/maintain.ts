// The composition root of the commands that look after what is kept: beside running servers, as a visitor. See `app.ts`.
import { existsSync } from 'node:fs'
import { isCluster, openBlobs, openDatabase, sqliteFile } from './app.ts'
import type { Config } from './config.ts'
import { StartError } from './errors.ts'
import { backUp as backUpAll, type BackUpOptions, type LostOriginal } from './flow/back-up.ts'
import { readManifest, type Manifest } from './flow/backup-folder.ts'
import { examine as examineAll, type Examined, type ExamineOptions } from './flow/examine.ts'
import { examineSurroundings, type Surroundings } from './flow/examine-surroundings.ts'
import { reasonOf, type FindingCode, type Report } from './flow/findings.ts'
import { giveUpLost, restore as restoreAll } from './flow/restore.ts'
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
  const {
    s3Endpoint: endpoint,
    s3Bucket: bucket,
    s3Region: region,
    s3AccessKeyId: accessKeyId,
    s3SecretAccessKey: secretAccessKey,
  } = config
  return {
    folder: config.dataDir,
    isFolderStore: endpoint === '',
    leastFreeBytes: FILES_TO_COME * config.maxFileBytes,
    databasePool: config.databasePool,
    postgres: isCluster(config) ? async () => (await import('./db/postgres-facts.ts')).postgresFacts(config.databaseUrl) : null,
    redis: isCluster(config) ? async () => (await import('./db/redis-facts.ts')).redisFacts(config.redisUrl, log) : null,
    s3:
      endpoint === ''
        ? null
        : async () => (await import('./store/s3-facts.ts')).s3Facts({ endpoint, bucket, region, accessKeyId, secretAccessKey }),
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
