// Every setting in one table: its name, type, default and one line of help. The sole reader of the environment,
// but for what tests alone set (failpoints.ts).
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { StartError } from './errors.ts'

interface Setting<T> {
  /** Its name in the environment. */
  name: string
  /** As written in the environment; empty where that would be nothing, or where the machine decides. */
  default: string
  /** The default, for people. */
  shown: string
  help: string
  /** Of a secret: what may be shown instead. */
  mask?: (text: string) => string
  /** The value for what the environment says, `undefined` for nothing. Throws StartError. */
  parse(text: string | undefined): T
}

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
  // Where nothing is limited it is 0, or far above any memory.
  const granted = process.constrainedMemory()
  return granted > 0 ? Math.min(most, Math.floor(granted / 4)) : most
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

function bad(name: string, text: string, right: string): StartError {
  return new StartError(`${name} is "${text}"; it must be ${right}.`)
}

/** The default may be a function, where the machine decides; `shown` then says it in words. */
function integer(
  name: string,
  fallback: number | { value: () => number; shown: string },
  help: string,
  { min = 1, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
): Setting<number> {
  const fixed = typeof fallback === 'number' ? String(fallback) : ''
  return {
    name,
    default: fixed,
    shown: typeof fallback === 'number' ? fixed : fallback.shown,
    help,
    parse(text) {
      if (text === undefined) return typeof fallback === 'number' ? fallback : fallback.value()
      const value = Number(text)
      if (/^\d+$/.test(text) && value >= min && value <= max) return value
      throw bad(name, text, max === Number.MAX_SAFE_INTEGER ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`)
    },
  }
}

/** One that may be left out; `shown` says what that means. */
function optionalInteger(name: string, shown: string, help: string): Setting<number | null> {
  const { parse } = integer(name, 0, help, { min: 0 })
  return { name, default: '', shown, help, parse: (text) => (text === undefined ? null : parse(text)) }
}

function text<T>(name: string, fallback: string, help: string, read: (text: string) => T): Setting<T> {
  return { name, default: fallback, shown: fallback || 'none', help, parse: (given) => read(given ?? fallback) }
}

function readOrigins(list: string): string[] {
  const origins = list.split(',').map((origin) => origin.trim())
  return origins.filter(Boolean).map((origin) => {
    const url = URL.canParse(origin) ? new URL(origin) : undefined
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      throw bad('CORS_ORIGINS', origin, 'origins like https://app.example.org, separated by commas')
    }
    if (url.origin !== origin) throw bad('CORS_ORIGINS', origin, `an origin and nothing more: ${url.origin}`)
    return origin
  })
}

function readHosts(list: string): string[] {
  const hosts = list.split(',').map((host) => host.trim().toLowerCase())
  return hosts.filter(Boolean).map((host) => {
    if (host === '*' || (URL.parse(`http://${host}/`)?.hostname === host && !host.includes(':'))) return host
    throw bad('ALLOWED_HOSTS', host, 'host names without scheme and port, separated by commas')
  })
}

function readLogLevel(level: string): LogLevel {
  const known = LOG_LEVELS.find((name) => name === level)
  if (!known) throw bad('LOG_LEVEL', level, `one of ${LOG_LEVELS.join(', ')}`)
  return known
}

const MEDIA_ACCESS = ['public', 'private'] as const

function readMediaAccess(access: string): (typeof MEDIA_ACCESS)[number] {
  const known = MEDIA_ACCESS.find((name) => name === access)
  if (!known) throw bad('MEDIA_ACCESS', access, `one of ${MEDIA_ACCESS.join(', ')}`)
  return known
}

const AUTH_MODES = ['open', 'required'] as const
export type AuthMode = (typeof AUTH_MODES)[number]

function readAuth(mode: string): AuthMode | null {
  const known = AUTH_MODES.find((name) => name === mode)
  if (!known && mode !== '') throw bad('AUTH', mode, `one of ${AUTH_MODES.join(', ')}`)
  return known ?? null
}

/** Names that @fastify/proxy-addr, behind Fastify's `trustProxy`, knows. */
const NAMED_RANGES = ['loopback', 'linklocal', 'uniquelocal']

function isAddressRange(range: string): boolean {
  const [address = '', bits, ...more] = range.split('/')
  const family = isIP(address)
  return family > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
}

function readProxies(list: string): string[] {
  const ranges = list.split(',').map((range) => range.trim())
  return ranges.filter(Boolean).map((range) => {
    if (NAMED_RANGES.includes(range) || isAddressRange(range)) return range
    throw bad('TRUST_PROXY', range, `addresses or ranges like 10.0.0.0/8, or ${NAMED_RANGES.join(', ')}, separated by commas`)
  })
}

function readPortOrNone(port: string): number | null {
  if (port === '') return null
  if (/^\d+$/.test(port) && Number(port) <= 65_535) return Number(port)
  throw bad('METRICS_PORT', port, 'a whole number from 0 to 65535, or empty')
}

function readCollector(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (endpoint === '' || url?.protocol === 'http:' || url?.protocol === 'https:') return endpoint.replace(/\/+$/, '')
  throw bad('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint, 'the address of a collector, like http://127.0.0.1:4318')
}

const SETTINGS = {
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
    { value: memoryForPixels, shown: '536870912, or a quarter of what this container or group may take, if that is less' },
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

/** Every setting, read and checked. Units are in the names; `dataDir` is absolute. */
export type Config = { readonly [K in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[K]['parse']> }

/** Reads every setting; one that is set but empty has its default. Throws StartError with one sentence naming a bad one. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const config = Object.fromEntries(
    Object.entries(SETTINGS).map(([key, setting]) => [key, setting.parse(env[setting.name]?.trim() || undefined)]),
  ) as Config
  if ((config.databaseUrl === '') !== (config.redisUrl === '')) {
    throw new StartError('DATABASE_URL and REDIS_URL go together: set both for a cluster, or neither.')
  }
  if (config.s3Endpoint !== '' && config.s3Bucket === '') throw new StartError('S3_BUCKET is missing: name the bucket at S3_ENDPOINT.')
  return config
}

/** Whether an address to listen on is for programs of this machine alone. */
export const isLoopback = (host: string) => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Whether people have to say who they are. Throws StartError where that would be a guess: on a network, unless AUTH says it. */
export function authMode({ auth, host }: Pick<Config, 'auth' | 'host'>): AuthMode {
  if (auth !== null) return auth
  if (isLoopback(host)) return 'open'
  throw new StartError(
    `HOST is ${host}, which others may reach: set AUTH=required, so that they have to sign in, or AUTH=open, if everyone who reaches it may do everything.`,
  )
}

export interface ShownSetting {
  name: string
  /** As it is set, or its default; no secret in it. */
  value: string
  default: string
  help: string
  isSet: boolean
  isSecret: boolean
}

/** Every setting as it is, for people. */
export function describeSettings(env: NodeJS.ProcessEnv = process.env): ShownSetting[] {
  return Object.values<Setting<unknown>>(SETTINGS).map(({ name, shown, help, mask }) => {
    const given = env[name]?.trim() || undefined
    const value = given === undefined ? shown : (mask?.(given) ?? given)
    return { name, value, default: shown, help, isSet: given !== undefined, isSecret: mask !== undefined }
  })
}

const DEFAULT_RATE = 6_000
const DEFAULT_ADDRESS_RATE = 600

/** Calls in a minute; null is no limit. An open server has none unless it is told: it is a laptop's tool, or stands behind something. */
export function rateLimits(config: Pick<Config, 'auth' | 'host' | 'rateLimit' | 'addressRateLimit'>): RateLimits {
  const isRequired = authMode(config) === 'required'
  const limit = (told: number | null, fallback: number) => (told ?? (isRequired ? fallback : 0)) || null
  return { perCaller: limit(config.rateLimit, DEFAULT_RATE), perAddress: limit(config.addressRateLimit, DEFAULT_ADDRESS_RATE) }
}

export interface RateLimits {
  /** Of one key, or one user who is signed in. */
  perCaller: number | null
  /** Of one address of those who have not said who they are, and of an open server's callers. */
  perAddress: number | null
}

/** Every setting with its default and its line of help, for `--help`. */
export function settingsHelp(): string {
  const rows = Object.values(SETTINGS)
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(({ name, shown, help }) => `  ${name.padEnd(width)}  ${help} Default: ${shown}.`)
  return ['Settings, from the environment or from .env in the clone (the environment wins):', ...lines].join('\n')
}

/** The text of `.env.example`: every setting, at its default, ready to be uncommented. */
export function envExample(): string {
  const head = '# Copy to .env and uncomment what you change. The environment wins over this file.\n'
  const rows = Object.values(SETTINGS).map(
    ({ name, default: fixed, shown, help }) => `\n# ${help} Default: ${shown}.\n# ${name}=${fixed}\n`,
  )
  return head + rows.join('')
}
