// The database, embedded or of a cluster, and all that is kept in its rows.
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { SchemaVersion } from '../db/migrations.ts'
import type { OnRoundTrip } from '../db/schema.ts'
import type { Logger } from '../log.ts'
import type { Observer } from '../observe/observer.ts'
import { createSqlBulkJobs } from '../record/admin/sql-bulk-jobs.ts'
import { createSqlOverview } from '../record/admin/sql-overview.ts'
import { createSqlRowArchive } from '../record/admin/sql-row-archive.ts'
import { createSqlRowSurvey } from '../record/admin/sql-row-survey.ts'
import { createSqlKnownStore } from '../record/originals/sql-known-store.ts'
import { createSqlRecords } from '../record/sql-records.ts'
import { createSqlWorkPause } from '../record/work/sql-work-pause.ts'
import { createSqlWorkerRegistry } from '../record/work/sql-worker-registry.ts'
import { isCluster } from './topology.ts'

export const sqliteFile = (config: Config) => join(config.dataDir, 'calotype.sqlite')

/** Of each user who has none of their own. */
export const quotaOf = ({ quotaBytes: bytes, quotaImages: images }: Config) => ({ bytes, images })

export interface RowsOptions {
  /** Default: `latest`, for which the migrations that are missing are run. */
  version?: SchemaVersion
  /** Embedded, nothing can be written. */
  readOnly?: boolean
}

interface Watching {
  log: Logger
  observer?: Observer | undefined
}

/** Only the driver that is used is loaded. */
async function openDatabase(config: Config, { version = 'latest', readOnly = false }: RowsOptions, { log, observer }: Watching) {
  const onRoundTrip: OnRoundTrip | undefined = observer && ((trip) => observer.tell({ what: 'round-trip', ...trip }))
  if (isCluster(config)) {
    const { openPostgres } = await import('../db/postgres/open-postgres.ts')
    const { databaseUrl: url, databasePool: maxConnections } = config
    return openPostgres({ url, maxConnections, onRoundTrip, log, version })
  }
  const { openSqlite } = await import('../db/sqlite/open-sqlite.ts')
  return openSqlite(sqliteFile(config), { version, readOnly, onRoundTrip })
}

/** All stores of one database. `migrated`: the migrations that were run. Rejects with StartError for a database that can't be used. */
export async function openRows(config: Config, options: RowsOptions, watching: Watching) {
  const { database, migrated } = await openDatabase(config, options, watching)
  return {
    records: createSqlRecords(database, quotaOf(config)),
    pause: createSqlWorkPause(database),
    workers: createSqlWorkerRegistry(database),
    knownStore: createSqlKnownStore(database),
    survey: createSqlRowSurvey(database),
    archive: createSqlRowArchive(database),
    overview: createSqlOverview(database),
    jobs: createSqlBulkJobs(database),
    database,
    migrated,
    close: () => database.close(),
  }
}

export type Rows = Awaited<ReturnType<typeof openRows>>
