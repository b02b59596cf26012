// Adapters as the settings choose them: rows, bytes, hints and events, embedded or of a cluster. What `app.ts` and `maintain.ts` stand on.
import { join } from 'node:path'
import { createAccessChanges } from './accounts/sessions/access-changes.ts'
import { createPasswords } from './accounts/users/passwords.ts'
import type { RequestLimiter } from './accounts/limits/request-limiter.ts'
import { createSqlAccountStore } from './accounts/sql-account-store.ts'
import { createSqlAuditLog } from './accounts/audit/sql-audit-log.ts'
import { rateLimits, type Config } from './config.ts'
import type { SchemaVersion } from './db/migrations.ts'
import type { Database, OnRoundTrip } from './db/schema.ts'
import type { AccountDeps } from './flow/accounts/account-deps.ts'
import { checkStore, renewRun } from './flow/originals/check-store.ts'
import { alsoWhenFull, recordsWhenFull, withReserve } from './flow/when-full.ts'
import { remakeLost } from './flow/develop/remake-lost.ts'
import type { Logger } from './log.ts'
import { observeBlobs, observeFeed, observeRecords } from './observe/observe-steps.ts'
import type { Observer } from './observe/observer.ts'
import { createMemoryFeed } from './publish/memory-feed.ts'
import { createMemoryQueue } from './queue/memory-queue.ts'
import { createSqlKnownStore } from './record/originals/sql-known-store.ts'
import { createSqlRowSurvey } from './record/admin/sql-row-survey.ts'
import { createSqlRecords } from './record/sql-records.ts'
import { createSqlWorkPause } from './record/work/sql-work-pause.ts'
import { createSqlWorkerRegistry } from './record/work/sql-worker-registry.ts'
import { lockDataDir } from './store/data-dir-lock.ts'
import { NO_RESERVE, openDiskReserve, type DiskReserve } from './store/disk-reserve.ts'
import { openFilesystemStore } from './store/filesystem/filesystem.ts'
import type { S3Settings } from './store/s3/s3-bucket.ts'

export const isCluster = (config: Config) => config.redisUrl !== ''
export const sqliteFile = (config: Config) => join(config.dataDir, 'calotype.sqlite')

/** As a bucket is opened by them. */
export const s3Settings = (config: Config): S3Settings => ({
  endpoint: config.s3Endpoint,
  bucket: config.s3Bucket,
  region: config.s3Region,
  accessKeyId: config.s3AccessKeyId,
  secretAccessKey: config.s3SecretAccessKey,
})

/** Embedded, the disk that fills up is one's own. */
export const openReserve = (config: Config, log: Logger): DiskReserve =>
  isCluster(config) ? NO_RESERVE : openDiskReserve({ dataDir: config.dataDir, databaseFile: sqliteFile(config), log })

/** A visitor may open it beside a server, and touches nothing that others stage. */
export async function openBlobs(config: Config, log: Logger, { asVisitor = false } = {}) {
  if (config.s3Endpoint === '') return openFilesystemStore(config.dataDir, { isShared: isCluster(config), asVisitor })
  const { openS3Store } = await import('./store/s3/s3.ts')
  const stagingFolder = join(config.dataDir, 'tmp')
  return openS3Store({ ...s3Settings(config), publicEndpoint: config.s3PublicEndpoint, stagingFolder, asVisitor, log })
}

export async function openDatabase(
  config: Config,
  log: Logger,
  options: { version?: SchemaVersion; readOnly?: boolean } = {},
  observer?: Observer,
) {
  const onRoundTrip: OnRoundTrip | undefined = observer && ((trip) => observer.tell({ what: 'round-trip', ...trip }))
  if (isCluster(config)) {
    const { openPostgres } = await import('./db/postgres/open-postgres.ts')
    const { databaseUrl: url, databasePool: maxConnections } = config
    return openPostgres({ url, maxConnections, onRoundTrip, log, version: options.version ?? 'latest' })
  }
  const { openSqlite } = await import('./db/sqlite/open-sqlite.ts')
  return openSqlite(sqliteFile(config), { ...options, onRoundTrip })
}

const HOUR_MS = 60 * 60 * 1000

/** Of servers, and of commands about accounts. */
export const accountDeps = (database: Database, reserve: DiskReserve, { sessionIdleHours, sessionMaxHours }: Config): AccountDeps => ({
  accounts: alsoWhenFull(createSqlAccountStore(database), reserve),
  audit: alsoWhenFull(createSqlAuditLog(database), reserve),
  passwords: createPasswords(),
  sessionLimits: { idleMs: sessionIdleHours * HOUR_MS, maxMs: sessionMaxHours * HOUR_MS },
  accessChanges: createAccessChanges(),
})

/** Of each user who has none of their own. */
export const quotaOf = ({ quotaBytes: bytes, quotaImages: images }: Config) => ({ bytes, images })

/** Counts calls, where they are limited: for this process, or for all servers of a cluster. */
export async function openRequestLimiter(config: Config, log: Logger): Promise<RequestLimiter> {
  if (Object.values(rateLimits(config)).every((limit) => limit === null)) return { count: async () => null, close: () => undefined }
  if (!isCluster(config)) return (await import('./accounts/limits/memory-request-limiter.ts')).createMemoryRequestLimiter()
  const { createRedisRequestLimiter } = await import('./accounts/limits/redis-request-limiter.ts')
  return createRedisRequestLimiter({ url: config.redisUrl, log })
}

/**
 * What servers, workers and commands need: rows and bytes, after a look whether they belong together; and, embedded, the folder for this
 * process alone. `anew`: a person says that they do.
 */
export async function openData(
  config: Config,
  log: Logger,
  { observer, anew = false }: { observer?: Observer | undefined; anew?: boolean } = {},
) {
  const reserve = openReserve(config, log)
  reserve.giveUpIfFull()
  const lock = isCluster(config) ? null : lockDataDir(config.dataDir, { pid: process.pid })
  try {
    const blobs = await openBlobs(config, log)
    const { database, migrated } = await withReserve(reserve, () => openDatabase(config, log, {}, observer))
    for (const name of migrated) log.info({ migration: name }, 'migrated the database')
    const records = recordsWhenFull(createSqlRecords(database, quotaOf(config)), reserve)
    const knownStore = createSqlKnownStore(database)
    const survey = createSqlRowSurvey(database)
    const checking = { blobs, originals: records.originals, survey, knownStore, log }
    const halt = await withReserve(reserve, () => checkStore(checking, { afterCrash: lock?.afterCrash ?? false, anew }))
    // In another store, all that was developed would seem to be lost.
    if (lock?.afterCrash && halt?.reason !== 'another_store') {
      const remade = await remakeLost({ blobs, survey })
      log.info({ remade }, 'checked the store after a crash')
    }
    const close = async () => {
      // A copy of the database that was made while this ran is told from the one it leaves.
      if (lock) await renewRun({ blobs, knownStore }).catch((error: unknown) => log.warn({ err: error }, 'no new run id'))
      await blobs.close()
      await database.close()
      lock?.release()
    }
    const deletion = async () => {
      const { halt } = await knownStore.read()
      return { halted: halt !== null, unknownOriginals: halt?.unknown.originals ?? 0 }
    }
    observer?.watch({ connections: database.connections, backlog: records.work.backlog, deletion })
    const watched = observer ? { blobs: observeBlobs(blobs, observer), records: observeRecords(records, observer) } : { blobs, records }
    const workers = { pause: createSqlWorkPause(database), workers: createSqlWorkerRegistry(database) }
    return { lock, reserve, halt, ...watched, ...workers, knownStore, database, migrated, close }
  } catch (error) {
    lock?.release()
    throw error
  }
}

/** Queue and feed; a worker only publishes. */
export async function openMessaging(config: Config, log: Logger, role: 'server' | 'worker', observer?: Observer) {
  const { queue, feed } = await connectMessaging(config, log, role)
  observer?.watch({ hints: queue.depth })
  return { queue, feed: observer ? observeFeed(feed, observer, { hears: role === 'server' }) : feed }
}

async function connectMessaging(config: Config, log: Logger, role: 'server' | 'worker') {
  if (!isCluster(config)) return { queue: createMemoryQueue(), feed: createMemoryFeed({ history: config.eventHistory }) }
  const { createBullmqQueue } = await import('./queue/bullmq.ts')
  const { createRedisFeed } = await import('./publish/redis-feed.ts')
  const { redisUrl: url, eventHistory: history } = config
  return { queue: createBullmqQueue({ url, log }), feed: await createRedisFeed({ url, history, log, reader: role === 'server' }) }
}
