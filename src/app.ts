// The composition root: from settings to a running Calotype, on the adapters that they choose (`adapters.ts`).
import { hostname } from 'node:os'
import { join } from 'node:path'
import { authMode, describeSettings, isLoopback, rateLimits, type Config } from './config.ts'
import { ATTEMPT_RETENTION } from './flow/accounts/guess-limits.ts'
import { processImages, type ProcessDeps } from './flow/develop/process-images.ts'
import { createWorkerReport, REPORT_INTERVAL_MS } from './flow/develop/report-worker.ts'
import { createBulkRunner } from './flow/admin/run-bulk-jobs.ts'
import { recover, sweep, sweepWork } from './flow/sweep.ts'
import { offerSetup } from './flow/accounts/set-up-server.ts'
import { alsoWhenFull } from './flow/when-full.ts'
import { listenOn } from './http/listen-on.ts'
import { createServer } from './http/server.ts'
import { createWorkerServer } from './http/worker-server.ts'
import type { Logger } from './log.ts'
import { observeDeveloper, observeSweep } from './observe/observe-steps.ts'
import type { Observer } from './observe/observer.ts'
import { openObserving } from './observe/open-observing.ts'
import { createChildPool } from './process/pool/child-pool.ts'
import { RECIPE } from './rendition/presets.ts'
import { createSqlBulkJobs } from './record/admin/sql-bulk-jobs.ts'
import { createSqlOverview } from './record/admin/sql-overview.ts'
import type { WorkerRegistry, WorkerReport } from './record/work/worker-registry.ts'
import { accountDeps, isCluster, openData, openMessaging, openRequestLimiter, quotaOf } from './adapters.ts'

export interface App {
  /**
   * Resolves once it listens; rejects with the error of the socket. `setupUrl` is where the first administrator makes an account, while
   * there is none and one is needed.
   */
  listen(): Promise<{ url: string; setupUrl?: string }>
  /** Likewise, the metrics; null if nobody asked for them. */
  listenForMetrics(): Promise<{ url: string } | null>
  /** Refuses new work, finishes what is in hand within `graceMs`, closes everything. Nothing acknowledged is lost, whatever it cuts off. */
  close(graceMs: number): Promise<void>
}

const SWEEP_INTERVAL_MS = 10_000
// Beside the lease of `flow/develop/process-images.ts`: together, how long the work of a dead worker lies.
const SWEEP_WORK_INTERVAL_MS = 2_000

const SWEEP_ACCOUNTS_INTERVAL_MS = 60_000
const LOOK_FOR_JOBS_INTERVAL_MS = 1_000

function startChildren(config: Config, log: Logger) {
  return createChildPool({
    concurrency: config.workerConcurrency,
    timeoutMs: config.processTimeoutMs,
    memoryBytes: config.processMemoryBytes,
    maxPixels: config.maxPixels,
    log,
  })
}

/** Repeats `action` until ended; one that fails is logged, and tried again at its next turn. */
function repeat(
  what: string,
  intervalMs: number,
  log: Logger,
  action: () => Promise<void>,
  { atOnce = false } = {},
): { end(): Promise<void> } {
  let running: Promise<void> | null = null
  const turn = () => {
    running ??= action()
      .catch((error: unknown) => log.error({ err: error }, `${what} failed`))
      .finally(() => (running = null))
  }
  const timer = setInterval(turn, intervalMs)
  if (atOnce) turn()
  return {
    async end() {
      clearInterval(timer)
      await running
    },
  }
}

/** The web app, as `npm run build` leaves it. Browsers may be sent to the store for images, and have to be allowed to go there. */
const pages = ({ s3PublicEndpoint, maxFileBytes }: Config) => ({
  maxFileBytes,
  folder: join(import.meta.dirname, '../web/dist'),
  imageOrigins: s3PublicEndpoint === '' ? [] : [new URL(s3PublicEndpoint).origin],
})

/** The secret is in the part that browsers keep to themselves. Where every network is listened on, this machine is one of them. */
function setupUrl(url: string, token: string): string {
  const at = new URL(`/setup#${token}`, url)
  if (at.hostname === '0.0.0.0' || at.hostname === '[::]') at.hostname = 'localhost'
  return at.href
}

/** Work that is begun in this process, and its orderly end. */
function startProcessing(
  deps: Omit<ProcessDeps, 'developer' | 'worker'> & { workers: WorkerRegistry },
  config: Config,
  kind: WorkerReport['kind'],
  observer?: Observer,
) {
  const children = startChildren(config, deps.log)
  const developer = observer ? observeDeveloper(children, observer) : children
  observer?.watch({ children: developer.stats })
  const worker = `${hostname()}-${process.pid}`
  const processing = processImages({ ...deps, developer, worker })
  const report = createWorkerReport({ ...deps, developer }, { id: worker, kind, concurrency: config.workerConcurrency })
  const reporting = repeat('the report of a worker', REPORT_INTERVAL_MS, deps.log, report, { atOnce: true })
  return {
    developer,
    async stop(graceMs: number) {
      const finishing = processing.stop()
      await developer.close(graceMs)
      await finishing
      await reporting.end()
    },
  }
}

/** An API server; embedded, it develops as well. `anew`: this database and this store belong together, whatever they lack of each other. */
export async function createApp(config: Config, log: Logger, { anew = false } = {}): Promise<App> {
  const auth = authMode(config)
  const observing = await openObserving({ ...config, role: 'server', log })
  const { observer } = observing
  const {
    lock,
    reserve,
    blobs,
    records,
    pause,
    workers,
    knownStore,
    database,
    close: closeData,
  } = await openData(config, log, { observer, anew })
  const { queue, feed } = await openMessaging(config, log, 'server', observer)
  await records.renditions.addRecipe(RECIPE)
  const deps = {
    ...records,
    recipe: RECIPE,
    blobs,
    pause,
    workers,
    knownStore,
    jobs: alsoWhenFull(createSqlBulkJobs(database), reserve),
    queue,
    feed,
    log,
  }
  const people = accountDeps(database, reserve, config)
  const limiter = await openRequestLimiter(config, log)
  await recover(deps, !isCluster(config))
  const processing = isCluster(config) ? null : startProcessing(deps, config, 'server', observer)
  const bulk = createBulkRunner({ ...deps, accounts: people.accounts, audit: people.audit })
  let stopping = false
  const server = await createServer({
    ...deps,
    ...people,
    reserve,
    overview: createSqlOverview(database),
    settings: describeSettings(),
    auth,
    limiter,
    rateLimits: rateLimits(config),
    quota: quotaOf(config),
    trustProxy: config.trustProxy,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    limits: config,
    corsOrigins: config.corsOrigins,
    mediaAccess: config.mediaAccess,
    allowedHosts: isLoopback(config.host) ? config.allowedHosts : ['*'],
    pages: pages(config),
    observer,
    obstacle: () => processing?.developer.obstacle() ?? null,
    isStopping: () => stopping,
  })
  const ages = { graceMs: config.blobGraceSeconds * 1000, batchTtlMs: config.batchTtlHours * 60 * 60 * 1000 }
  const sweeps = [
    repeat(
      'the sweep',
      SWEEP_INTERVAL_MS,
      log,
      observeSweep('all', observer, () => sweep(deps, ages)),
    ),
    repeat(
      'the sweep of work',
      SWEEP_WORK_INTERVAL_MS,
      log,
      observeSweep('work', observer, () => sweepWork(deps)),
    ),
    repeat('the look after the reserve of the disk', SWEEP_INTERVAL_MS, log, reserve.keep),
    repeat('the look for bulk jobs', LOOK_FOR_JOBS_INTERVAL_MS, log, () => bulk.look()),
    repeat('the sweep of accounts', SWEEP_ACCOUNTS_INTERVAL_MS, log, () => people.accounts.sweep(people.sessionLimits, ATTEMPT_RETENTION)),
  ]

  return {
    async listen() {
      const listening = await listenOn(server, config.host, config.port)
      lock?.announce(listening.url)
      const token = auth === 'required' ? await offerSetup(people) : null
      return token === null ? listening : { ...listening, setupUrl: setupUrl(listening.url, token) }
    },
    listenForMetrics: observing.listen,
    async close(graceMs) {
      stopping = true
      reserve.giveUpIfFull()
      // In hand are the bodies that are arriving and the images being developed; what waits in the queue is found in the rows again.
      const served = server.close()
      const cutOff = setTimeout(() => server.server.closeAllConnections(), graceMs)
      await bulk.stop()
      await processing?.stop(graceMs)
      await feed.close()
      await served
      clearTimeout(cutOff)
      for (const { end } of sweeps) await end()
      await queue.close()
      limiter.close()
      await closeData()
      await observing.close()
    },
  }
}

/** A worker of a cluster: develops, and tells on a port of its own whether it is well. */
export async function createWorker(config: Config, log: Logger): Promise<App> {
  const observing = await openObserving({ ...config, role: 'worker', log })
  const { observer } = observing
  const { blobs, records, pause, workers, close: closeData } = await openData(config, log, { observer })
  const { queue, feed } = await openMessaging(config, log, 'worker', observer)
  const deps = { ...records, blobs, pause, workers, queue, feed, log }
  const processing = startProcessing(deps, config, 'worker', observer)
  let stopping = false
  const server = await createWorkerServer({
    originals: records.originals,
    developer: processing.developer,
    log,
    isStopping: () => stopping,
  })
  const sweeping = repeat(
    'the sweep of work',
    SWEEP_WORK_INTERVAL_MS,
    log,
    observeSweep('work', observer, () => sweepWork(deps)),
  )

  return {
    listen: () => listenOn(server, config.workerHost, config.workerPort),
    listenForMetrics: observing.listen,
    async close(graceMs) {
      stopping = true
      await sweeping.end()
      await processing.stop(graceMs)
      await queue.close()
      await server.close()
      await feed.close()
      await closeData()
      await observing.close()
    },
  }
}
