// What the texts of single settings may be, and what is made of them. Each throws a StartError that says what would be right.
import { isIP } from 'node:net'
import { bad } from './setting-kinds.ts'

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export function readOrigins(list: string): string[] {
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

export function readHosts(list: string): string[] {
  const hosts = list.split(',').map((host) => host.trim().toLowerCase())
  return hosts.filter(Boolean).map((host) => {
    if (host === '*' || (URL.parse(`http://${host}/`)?.hostname === host && !host.includes(':'))) return host
    throw bad('ALLOWED_HOSTS', host, 'host names without scheme and port, separated by commas')
  })
}

export function readLogLevel(level: string): LogLevel {
  const known = LOG_LEVELS.find((name) => name === level)
  if (!known) throw bad('LOG_LEVEL', level, `one of ${LOG_LEVELS.join(', ')}`)
  return known
}

const MEDIA_ACCESS = ['public', 'private'] as const

export function readMediaAccess(access: string): (typeof MEDIA_ACCESS)[number] {
  const known = MEDIA_ACCESS.find((name) => name === access)
  if (!known) throw bad('MEDIA_ACCESS', access, `one of ${MEDIA_ACCESS.join(', ')}`)
  return known
}

const AUTH_MODES = ['open', 'required'] as const
export type AuthMode = (typeof AUTH_MODES)[number]

export function readAuth(mode: string): AuthMode | null {
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

export function readProxies(list: string): string[] {
  const ranges = list.split(',').map((range) => range.trim())
  return ranges.filter(Boolean).map((range) => {
    if (NAMED_RANGES.includes(range) || isAddressRange(range)) return range
    throw bad('TRUST_PROXY', range, `addresses or ranges like 10.0.0.0/8, or ${NAMED_RANGES.join(', ')}, separated by commas`)
  })
}

export function readPortOrNone(port: string): number | null {
  if (port === '') return null
  if (/^\d+$/.test(port) && Number(port) <= 65_535) return Number(port)
  throw bad('METRICS_PORT', port, 'a whole number from 0 to 65535, or empty')
}

export function readCollector(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (endpoint === '' || url?.protocol === 'http:' || url?.protocol === 'https:') return endpoint.replace(/\/+$/, '')
  throw bad('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint, 'the address of a collector, like http://127.0.0.1:4318')
}
