// Rows and bytes together, as servers, workers and commands open them: checked for belonging together, watched, and closed in order.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { remakeLost } from '../flow/develop/remake-lost.ts'
import { checkStore, renewRun } from '../flow/originals/check-store.ts'
import { alsoWhenFull, recordsWhenFull, withReserve } from '../flow/when-full.ts'
import type { Logger } from '../log.ts'
import { observeBlobs, observeRecords } from '../observe/observe-steps.ts'
import type { Observer } from '../observe/observer.ts'
import type { BlobStore } from '../store/blob-store.ts'
import { lockDataDir } from '../store/data-dir-lock.ts'
import { openBlobs, openReserve } from './bytes.ts'
import { openRows, sqliteFile, type Rows } from './rows.ts'
import { isCluster } from './topology.ts'

/**
 * What servers, workers and commands need: rows and bytes, after a look whether they belong together; and, embedded, the folder for this
 * process alone. `anew`: a person says that they do. What was opened is closed again if anything later fails.
 */
export async function openData(
  config: Config,
  log: Logger,
  { observer, anew = false }: { observer?: Observer | undefined; anew?: boolean } = {},
) {
  await using opening = new AsyncDisposableStack()
  const reserve = openReserve(config, log)
  reserve.giveUpIfFull()
  const lock = isCluster(config) ? null : opening.adopt(lockDataDir(config.dataDir, { pid: process.pid }), (held) => held.release())
  const unwatched = opening.adopt(await openBlobs(config, log), (one) => one.close())
  const opened = await withReserve(reserve, () => openRows(config, {}, { log, observer }))
  const { records: rows, jobs, migrated, ...others } = opening.adopt(opened, (one) => one.close())
  const { survey, knownStore, database } = others
  for (const name of migrated) log.info({ migration: name }, 'migrated the database')
  const records = recordsWhenFull(rows, reserve)
  const checking = { blobs: unwatched, originals: records.originals, survey, knownStore, log }
  const halt = await withReserve(reserve, () => checkStore(checking, { afterCrash: lock?.afterCrash ?? false, anew }))
  // In another store, all that was developed would seem to be lost.
  if (lock?.afterCrash && halt?.reason !== 'another_store') {
    const remade = await remakeLost({ blobs: unwatched, survey })
    log.info({ remade }, 'checked the store after a crash')
  }
  if (lock) {
    // A copy of the database that was made while this ran is told from the one it leaves.
    opening.defer(() => renewRun(checking).catch((error: unknown) => log.warn({ err: error }, 'no new run id')))
  }
  const deletion = async () => {
    const { halt } = await knownStore.read()
    return { halted: halt !== null, unknownOriginals: halt?.unknown.originals ?? 0 }
  }
  observer?.watch({ connections: database.connections, backlog: records.work.backlog, deletion })
  const closing = opening.move()
  return {
    ...others,
    lock,
    reserve,
    migrated,
    blobs: observer ? observeBlobs(unwatched, observer) : unwatched,
    records: observer ? observeRecords(records, observer) : records,
    jobs: alsoWhenFull(jobs, reserve),
    close: () => closing.disposeAsync(),
  }
}

/** Rows as they are: nothing is migrated. Throws StartError where no server ever ran. */
export async function visitRows(config: Config, log: Logger, { readOnly }: { readOnly: boolean }): Promise<Rows> {
  if (!isCluster(config) && !existsSync(sqliteFile(config))) {
    const hasOriginals = existsSync(join(config.dataDir, 'originals'))
    throw new StartError(
      hasOriginals
        ? `DATA_DIR ${config.dataDir} has originals, and no calotype.sqlite. Put the newest copy of it back, or restore a backup with ` +
            '`calotype restore`. If there is neither, start the server, which deletes nothing, and run `calotype doctor --adopt`.'
        : `DATA_DIR ${config.dataDir} has no calotype.sqlite: no server ever ran on it.`,
    )
  }
  return openRows(config, { version: 'as it is', readOnly }, { log })
}

/** Runs `work` with rows and bytes as they are, also beside a server. */
export async function visitData<T>(
  config: Config,
  log: Logger,
  { readOnly }: { readOnly: boolean },
  work: (data: Rows & { blobs: BlobStore }) => Promise<T>,
): Promise<T> {
  await using opened = new AsyncDisposableStack()
  const rows = opened.adopt(await visitRows(config, log, { readOnly }), (one) => one.close())
  const blobs = opened.adopt(await openBlobs(config, log, { asVisitor: true }), (one) => one.close())
  return await work({ ...rows, blobs })
}
