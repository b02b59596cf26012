// `calotype serve` and `calotype worker`: from settings to a process that is ready, and from a signal to its end.
import { constants } from 'node:os'
import type { App } from '../app.ts'
import { authMode, type Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { createLog, type Logger } from '../log.ts'
import { collectYoungGarbage } from './young-garbage.ts'

const GRACE_MS = 10_000

// npm passes on the signals that its whole process group gets: one Ctrl-C in a terminal arrives twice, milliseconds apart.
const SAME_SIGNAL_MS = 250

/** Resolves once the server has stopped, by a signal. Throws StartError for what the settings can mend. */
export async function serve(config: Config, { anew = false } = {}): Promise<void> {
  // Before anything is loaded: what is refused is refused at once.
  authMode(config)
  const where = (url: string, setupUrl?: string) => [
    'Calotype is ready',
    `page ${url}/`,
    `api ${url}/api`,
    `data ${config.dataDir}`,
    ...(setupUrl === undefined ? [] : [`set-up ${setupUrl} (makes the first administrator: once, within 24 hours)`]),
  ]
  return run(config, ['HOST', config.host], ['PORT', config.port], where, async (log) =>
    (await import('../app.ts')).createApp(config, log, { anew, onBodyBytes: collectYoungGarbage() }),
  )
}

/** Likewise, for a worker of a cluster. */
export function work(config: Config): Promise<void> {
  if (config.redisUrl === '')
    throw new StartError('A worker needs DATABASE_URL and REDIS_URL; without them, `calotype serve` does the work.')
  const where = (url: string) => ['Calotype worker is ready', `health ${url}/healthz`]
  const { workerHost: host, workerPort: port } = config
  return run(config, ['WORKER_HOST', host], ['WORKER_PORT', port], where, async (log) =>
    (await import('../app.ts')).createWorker(config, log),
  )
}

async function run(
  config: Config,
  host: [setting: string, value: string],
  port: [setting: string, value: number],
  where: (url: string, setupUrl?: string) => string[],
  create: (log: Logger) => Promise<App>,
): Promise<void> {
  const stop = onStopSignal()
  const log = createLog(config.logLevel)
  const app = await create(log)
  try {
    const { url, setupUrl } = await told(app.listen(), host, port)
    // As soon as it is ready somebody may read, and look for all that is said.
    const { metricsHost, metricsPort } = config
    const metrics = await told(app.listenForMetrics(), ['METRICS_HOST', metricsHost], ['METRICS_PORT', metricsPort ?? 0])
    console.log([...where(url, setupUrl), ...(metrics ? [`metrics ${metrics.url}/metrics`] : [])].join('\n'))
  } catch (error) {
    await app.close(0)
    throw error
  }
  const signal = await stop
  log.info({ signal }, 'stopping')
  await app.close(GRACE_MS)
  process.exit(0)
}

/** Resolves at the first SIGTERM or SIGINT, also when it comes while the server still starts; a second one ends the process at once. */
function onStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    const onSignal = (signal: NodeJS.Signals) => {
      const now = performance.now()
      firstAt ??= now
      if (now - firstAt > SAME_SIGNAL_MS) process.exit(128 + constants.signals[signal])
      resolve(signal)
    }
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
  })
}

/** What a socket refuses, said in terms of the settings that named its address. */
async function told<T>(listening: Promise<T>, host: [setting: string, value: string], port: [setting: string, value: number]): Promise<T> {
  return listening.catch((error: unknown) => {
    throw toStartError(error, host, port)
  })
}

function toStartError(error: unknown, [HOST, host]: [string, string], [PORT, port]: [string, number]): unknown {
  const sentences: Record<string, string> = {
    EADDRINUSE: `${PORT} ${port} on ${host} is taken. Stop what listens there, or set ${PORT} to another one.`,
    EACCES: `${PORT} ${port} may not be opened by this user. Set ${PORT} to 1024 or above.`,
    EADDRNOTAVAIL: `${HOST} ${host} is not an address of this machine. Set ${HOST} to 127.0.0.1, or to 0.0.0.0 for every network.`,
    ENOTFOUND: `${HOST} ${host} is not known. Set ${HOST} to 127.0.0.1, or to 0.0.0.0 for every network.`,
  }
  const sentence = sentences[(error as NodeJS.ErrnoException).code ?? '']
  return sentence ? new StartError(sentence, { cause: error }) : error
}
