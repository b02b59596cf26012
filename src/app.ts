// The composition root: from settings to a running Calotype, on the adapters that they choose (`adapters/`).
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createAccountDeps, openRequestLimiter } from './adapters/accounts.ts'
import { openData } from './adapters/data.ts'
import { openMessaging } from './adapters/messaging.ts'
import { openProcessor } from './adapters/processor.ts'
import { quotaOf } from './adapters/rows.ts'
import { isCluster } from './adapters/topology.ts'
import { authMode, describeSettings, isLoopback, rateLimits, type Config } from './config.ts'
import { ATTEMPT_RETENTION } from './flow/accounts/guess-limits.ts'
import { offerSetup } from './flow/accounts/set-up-server.ts'
import { createBulkRunner } from './flow/admin/run-bulk-jobs.ts'
import { processImages, type ProcessDeps } from './flow/develop/process-images.ts'
import { createWorkerReport, REPORT_INTERVAL_MS } from './flow/develop/report-worker.ts'
import { repeat } from './flow/repeat.ts'
import { recover, sweep, sweepWork } from './flow/sweep.ts'
import { createReleases } from './flow/upload/releases.ts'
import { listenOn } from './http/listen-on.ts'
import { createServer } from './http/server.ts'
import { createWorkerServer } from './http/worker-server.ts'
import type { Logger } from './log.ts'
import { observeSweep } from './observe/observe-steps.ts'
import { openObserving } from './observe/open-observing.ts'
import type { WorkerRegistry, WorkerReport } from './record/work/worker-registry.ts'
import { RECIPE } from './rendition/presets.ts'

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
const RETRY_RELEASES_INTERVAL_MS = 1_000

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
  deps: Omit<ProcessDeps, 'worker'> & { workers: WorkerRegistry },
  { workerConcurrency: concurrency }: Config,
  kind: WorkerReport['kind'],
) {
  const { processor, log } = deps
  const worker = `${hostname()}-${process.pid}`
  const processing = processImages({ ...deps, worker })
  const report = createWorkerReport(deps, { id: worker, kind, concurrency })
  const reporting = repeat('the report of a worker', REPORT_INTERVAL_MS, log, report, { atOnce: true })
  return {
    async stop(graceMs: number) {
      const finishing = processing.stop()
      await processor.close(graceMs)
      await finishing
      await reporting.end()
    },
  }
}

export interface AppOptions {
  /** This database and this store belong together, whatever they lack of each other. */
  anew?: boolean
  /** Called with the size of each chunk of an upload, in bytes. */
  onBodyBytes?: (bytes: number) => void
}

/** An API server; embedded, it develops as well. What was opened is closed again if anything later fails. */
export async function createApp(config: Config, log: Logger, { anew = false, onBodyBytes }: AppOptions = {}): Promise<App> {
  await using opening = new AsyncDisposableStack()
  const auth = authMode(config)
  const observing = opening.adopt(await openObserving({ ...config, role: 'server', log }), (one) => one.close())
  const { observer } = observing
  const data = opening.adopt(await openData(config, log, { observer, anew }), (one) => one.close())
  const { lock, reserve, blobs, records, pause, workers, knownStore, jobs } = data
  const { queue, feed } = opening.adopt(await openMessaging(config, log, 'server', observer), (one) => one.close())
  const limiter = opening.adopt(await openRequestLimiter(config, log), (one) => one.close())
  await records.renditions.addRecipe(RECIPE)
  const releases = createReleases(records)
  const deps = { ...records, recipe: RECIPE, releases, blobs, pause, workers, knownStore, jobs, queue, feed, log }
  const people = createAccountDeps(data.database, reserve, config)
  await recover(deps, !isCluster(config))
  const processor = isCluster(config) ? null : opening.adopt(openProcessor(config, log, observer), (one) => one.close(0))
  let stopping = false
  const server = await createServer({
    ...deps,
    ...people,
    reserve,
    overview: data.overview,
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
    onBodyBytes,
    obstacle: () => processor?.obstacle() ?? null,
    isStopping: () => stopping,
  })
  // From here on nothing fails, and `close` ends it in its order.
  const processing = processor && startProcessing({ ...deps, processor }, config, 'server')
  const bulk = createBulkRunner({ ...deps, accounts: people.accounts, audit: people.audit })
  const ages = { graceMs: config.blobGraceSeconds * 1000, batchTtlMs: config.batchTtlHours * 60 * 60 * 1000 }
  const all = observeSweep('all', observer, () => sweep(deps, ages))
  const work = observeSweep('work', observer, () => sweepWork(deps))
  const sweeps = [
    repeat('the sweep', SWEEP_INTERVAL_MS, log, all),
    repeat('the sweep of work', SWEEP_WORK_INTERVAL_MS, log, work),
    repeat('the release of unused bytes', RETRY_RELEASES_INTERVAL_MS, log, releases.retry),
    repeat('the look after the reserve of the disk', SWEEP_INTERVAL_MS, log, reserve.keep),
    repeat('the look for bulk jobs', LOOK_FOR_JOBS_INTERVAL_MS, log, () => bulk.look()),
    repeat('the sweep of accounts', SWEEP_ACCOUNTS_INTERVAL_MS, log, () => people.accounts.sweep(people.sessionLimits, ATTEMPT_RETENTION)),
  ]
  const opened = opening.move()

  return {
    async listen() {
      const listening = await listenOn(server, config.host, config.port)
      lock?.announce(listening.url)
      const token = auth === 'required' ? await offerSetup(people) : null
      return token === null ? listening : { ...listening, setupUrl: setupUrl(listening.url, token) }
    },
    listenForMetrics: observing.listen,
    async close(graceMs) {
      // Last of all, whatever fails before.
      await using _ = opened
      stopping = true
      reserve.giveUpIfFull()
      // In hand are the bodies that are arriving and the images being developed; what waits in the queue is found in the rows again.
      const served = server.close()
      const cutOff = setTimeout(() => server.server.closeAllConnections(), graceMs)
      await bulk.stop()
      await processing?.stop(graceMs)
      // Ends the requests that wait for an outcome.
      await feed.close()
      await served
      clearTimeout(cutOff)
      for (const { end } of sweeps) await end()
      await releases.retry()
    },
  }
}

/** A worker of a cluster: develops, and tells on a port of its own whether it is well. */
export async function createWorker(config: Config, log: Logger): Promise<App> {
  await using opening = new AsyncDisposableStack()
  const observing = opening.adopt(await openObserving({ ...config, role: 'worker', log }), (one) => one.close())
  const { observer } = observing
  const { blobs, records, pause, workers } = opening.adopt(await openData(config, log, { observer }), (one) => one.close())
  const { queue, feed } = opening.adopt(await openMessaging(config, log, 'worker', observer), (one) => one.close())
  const processor = opening.adopt(openProcessor(config, log, observer), (one) => one.close(0))
  let stopping = false
  const server = await createWorkerServer({ originals: records.originals, processor, log, isStopping: () => stopping })
  const deps = { ...records, blobs, pause, workers, queue, feed, log }
  const processing = startProcessing({ ...deps, processor }, config, 'worker')
  const work = observeSweep('work', observer, () => sweepWork(deps))
  const sweeping = repeat('the sweep of work', SWEEP_WORK_INTERVAL_MS, log, work)
  const opened = opening.move()

  return {
    listen: () => listenOn(server, config.workerHost, config.workerPort),
    listenForMetrics: observing.listen,
    async close(graceMs) {
      await using _ = opened
      stopping = true
      await sweeping.end()
      await processing.stop(graceMs)
      await queue.close()
      await server.close()
    },
  }
}
