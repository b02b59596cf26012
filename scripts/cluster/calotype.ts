// Calotype itself in the cluster: API servers, which take images in, and workers, which develop them.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { S3 } from './engines.ts'
import { bound, HOST, type Place } from './place.ts'
import type { Programs } from './programs.ts'
import type { Program } from './supervise.ts'

export interface CalotypeOptions {
  name: string
  place: Place
  programs: Programs
  databaseUrl: string
  redisUrl: string
  /** Null: originals and developed images lie in the shared folder. */
  s3: S3 | null
}

const CLI = join(import.meta.dirname, '../../src/cli.ts')
/** It promises to end within 10 s. */
const STOP_TIMEOUT_MS = 15_000

/** `calotype serve` on a port of its own. Open, unless who starts the cluster says otherwise: nothing here is reached from outside. */
export const apiServer = (options: CalotypeOptions & { port: number }): Program =>
  program('serve', options, { HOST, PORT: String(options.port), AUTH: process.env.AUTH || 'open', TRUST_PROXY: HOST }, serverUrl)

/** `calotype worker`; all workers of this machine share its cores, unless WORKER_CONCURRENCY says how many each has. */
export const worker = (options: CalotypeOptions & { workers: number }): Program =>
  program(
    'worker',
    options,
    {
      WORKER_HOST: HOST,
      WORKER_PORT: '0',
      WORKER_CONCURRENCY: process.env.WORKER_CONCURRENCY || String(Math.max(1, Math.floor(availableParallelism() / options.workers))),
    },
    healthUrl,
  )

/** Where an API server says that it serves. */
export const serverUrl = (log: string) => /^page (\S+?)\/?$/m.exec(log)?.[1]
/** Where an API server says that the first administrator makes an account. */
export const setupUrl = (log: string) => /^set-up (\S+)/m.exec(log)?.[1]
/** Where a worker says that its health is told. */
export const healthUrl = (log: string) => /^health (\S+?)\/healthz$/m.exec(log)?.[1]

function program(
  command: 'serve' | 'worker',
  { name, place, programs, databaseUrl, redisUrl, s3 }: CalotypeOptions,
  own: Record<string, string>,
  url: (log: string) => string | undefined,
): Program {
  const bucket: Record<string, string> =
    s3 === null
      ? {}
      : {
          S3_ENDPOINT: s3.endpoint,
          S3_BUCKET: s3.bucket,
          S3_REGION: s3.region,
          S3_ACCESS_KEY_ID: s3.accessKeyId,
          S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
        }
  return {
    name,
    command: bound([process.execPath, '--disable-warning=ExperimentalWarning', CLI, command], {
      setpriv: programs.setpriv,
      place,
      deathSignal: 'TERM',
      forEngine: false,
    }),
    // Every other setting is that of who starts the cluster.
    env: {
      ...(process.env as Record<string, string>),
      UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '16',
      LOG_LEVEL: process.env.LOG_LEVEL || 'warn',
      DATA_DIR: place.subfolder('data'),
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      ...bucket,
      ...own,
    },
    // Not the clone: its .env is for what runs there.
    cwd: place.folder,
    logFile: place.logFile(name),
    stopSignal: 'SIGTERM',
    stopTimeoutMs: STOP_TIMEOUT_MS,
    isReady: (log) => url(log) !== undefined,
  }
}
