// The settings as the environment says them, and what follows from several together. The sole reader of the environment, but for
// what tests alone set (failpoints.ts).
import { isIP } from 'node:net'
import type { AuthMode } from './config/readers.ts'
import type { Setting } from './config/setting-kinds.ts'
import { SETTINGS } from './config/settings.ts'
import { StartError } from './errors.ts'

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
