// Every setting in one table: its name, type, default and one line of help.
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { grantedMemory } from './granted-memory.ts'
import {
  LOG_LEVELS,
  readAuth,
  readCollector,
  readHosts,
  readLogLevel,
  readMediaAccess,
  readOrigins,
  readPortOrNone,
  readProxies,
} from './readers.ts'
import { integer, optionalInteger, text, type Setting } from './setting-kinds.ts'

const MASK = '***'

/** An address without its password, wherever it may stand. */
function maskUrl(address: string): string {
  if (!URL.canParse(address)) return MASK
  const url = new URL(address)
  const secrets = [...url.searchParams.keys()].filter((name) => /pass|secret|token/i.test(name))
  for (const name of secrets) url.searchParams.set(name, MASK)
  if (url.password !== '') url.password = MASK
  return url.href
}

/** The rest is for the server and its idle children. */
function memoryForPixels(): number {
  const most = 512 * 1024 * 1024
  return Math.min(most, Math.floor(grantedMemory() / 4))
}

export const SETTINGS = {
  host: text('HOST', '127.0.0.1', 'Address to listen on; 0.0.0.0 is every network of this machine.', String),
  port: integer('PORT', 8000, 'Port to listen on; 0 takes any free one.', { min: 0, max: 65_535 }),
  auth: {
    ...text('AUTH', '', 'required: people sign in, programs have keys; open: everyone who reaches the server may do everything.', readAuth),
    shown: 'open if HOST is this machine alone, else it has to be said',
  },
  sessionIdleHours: integer('SESSION_IDLE_HOURS', 72, 'A session that is not used for so long ends, in hours.', { max: 24 * 365 }),
  sessionMaxHours: integer('SESSION_MAX_HOURS', 720, 'A session ends this long after signing in, however much it is used, in hours.', {
    max: 24 * 365,
  }),
  rateLimit: optionalInteger(
    'RATE_LIMIT_PER_MINUTE',
    '6000 with AUTH=required, else none',
    'Most calls of the API in a minute by one key, or one user who is signed in; 0 is no limit.',
  ),
  addressRateLimit: optionalInteger(
    'ADDRESS_RATE_LIMIT_PER_MINUTE',
    '600 with AUTH=required, else none',
    'Most calls of the API in a minute from one address, of those who have not said who they are; 0 is no limit.',
  ),
  quotaBytes: optionalInteger(
    'QUOTA_BYTES_PER_DAY',
    'none',
    'Most bytes a user may upload in a day (UTC), unless they have a quota of their own.',
  ),
  quotaImages: optionalInteger(
    'QUOTA_IMAGES_PER_DAY',
    'none',
    'Most images a user may upload in a day (UTC), unless they have a quota of their own.',
  ),
  trustProxy: text(
    'TRUST_PROXY',
    '',
    'Proxies whose X-Forwarded-For and -Proto are believed: addresses, ranges, loopback, uniquelocal; separated by commas.',
    readProxies,
  ),
  maxConnectionsPerAddress: optionalInteger(
    'MAX_CONNECTIONS_PER_ADDRESS',
    '1000, and none for this machine itself',
    'Most connections from one address (IPv6: one /64 network) at once; 0 is no limit. Proxies in TRUST_PROXY have none.',
  ),
  dataDir: text('DATA_DIR', './data', 'Folder that keeps everything: originals, developed images, database.', (path) => resolve(path)),
  corsOrigins: text('CORS_ORIGINS', '', 'Origins of web pages elsewhere that may use the API, separated by commas.', readOrigins),
  mediaAccess: text(
    'MEDIA_ACCESS',
    'public',
    'Who sees developed images: everyone who knows their URL, which nobody guesses (public), or who may see the image (private).',
    readMediaAccess,
  ),
  allowedHosts: text(
    'ALLOWED_HOSTS',
    '',
    'Names, besides localhost, by which a server that listens on this machine alone may be asked, separated by commas; * is any.',
    readHosts,
  ),
  maxFileBytes: integer('MAX_FILE_BYTES', 64 * 1024 * 1024, 'Largest file taken, in bytes.'),
  maxFiles: integer('MAX_FILES', 5_000, 'Most files in one request.'),
  maxPending: integer('MAX_PENDING', 100_000, 'Most images waiting to be developed; beyond it, uploads get 503.'),
  maxPixels: integer('MAX_PIXELS', 50_000_000, 'Most pixels of an image; of all its frames together, if animated.'),
  processTimeoutMs: integer('PROCESS_TIMEOUT_MS', 30_000, 'Longest an image may take to develop, in milliseconds.', { max: 2 ** 31 - 1 }),
  workerConcurrency: integer(
    'WORKER_CONCURRENCY',
    { value: availableParallelism, shown: 'one per core' },
    'Child processes that develop images.',
    { max: 1024 },
  ),
  processMemoryBytes: integer(
    'PROCESS_MEMORY_BYTES',
    { value: memoryForPixels, shown: '536870912, or a quarter of what this machine, container or group has, if that is less' },
    'Memory for the images being developed, in bytes, by estimate.',
  ),
  uploadIdleTimeoutMs: integer('UPLOAD_IDLE_TIMEOUT_MS', 60_000, 'Longest silence within an upload, in milliseconds.', {
    max: 2 ** 31 - 1,
  }),
  syncWaitMs: integer('SYNC_WAIT_MS', 30_000, 'Longest POST /api/upload waits for the outcome, in milliseconds.', { max: 2 ** 31 - 1 }),
  batchTtlHours: integer('BATCH_TTL_HOURS', 168, 'How long a declared batch can be resumed, in hours; then what is missing expires.', {
    max: 24 * 365 * 100,
  }),
  blobGraceSeconds: integer('BLOB_GRACE_SECONDS', 60, 'Age at which files that no image uses are removed, in seconds.', { min: 0 }),
  eventHistory: integer('EVENT_HISTORY', 20_000, 'Recent events kept for watchers that reconnect.'),
  databaseUrl: {
    ...text('DATABASE_URL', '', 'PostgreSQL instead of the embedded database: postgres://user:password@host:port/name.', String),
    mask: maskUrl,
  },
  databasePool: integer('DATABASE_POOL', 10, 'Most database connections of this process.', { max: 1_000 }),
  redisUrl: {
    ...text('REDIS_URL', '', 'Redis for queue and events of a cluster: redis://host:port. Goes with DATABASE_URL.', String),
    mask: maskUrl,
  },
  s3Endpoint: text('S3_ENDPOINT', '', 'S3-compatible store for the bytes, instead of DATA_DIR: https://host:port.', String),
  s3Bucket: text('S3_BUCKET', '', 'Its bucket, which has to be there.', String),
  s3Region: text('S3_REGION', 'us-east-1', 'Its region.', String),
  s3AccessKeyId: text('S3_ACCESS_KEY_ID', '', 'Its access key.', String),
  s3SecretAccessKey: { ...text('S3_SECRET_ACCESS_KEY', '', 'Its secret key.', String), mask: () => MASK },
  s3PublicEndpoint: text(
    'S3_PUBLIC_ENDPOINT',
    '',
    'Where browsers reach that store: images are then fetched from it, by presigned URLs, not through the servers.',
    String,
  ),
  workerHost: text('WORKER_HOST', '127.0.0.1', 'Address on which a worker tells whether it is well.', String),
  workerPort: integer('WORKER_PORT', 8001, 'Port for that; 0 takes any free one.', { min: 0, max: 65_535 }),
  metricsPort: text(
    'METRICS_PORT',
    '',
    'Port of GET /metrics, for Prometheus, of each server and worker; 0 takes any free one.',
    readPortOrNone,
  ),
  metricsHost: text('METRICS_HOST', '127.0.0.1', 'Address for that.', String),
  otlpEndpoint: text(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    '',
    'Collector that takes traces of uploads by OTLP over HTTP: http://host:4318.',
    readCollector,
  ),
  logLevel: text('LOG_LEVEL', 'info', `Least severe messages logged: ${LOG_LEVELS.join(', ')}.`, readLogLevel),
} satisfies Record<string, Setting<unknown>>
