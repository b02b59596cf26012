// Connections of one address: the limit of a server, from its settings.
import { inRanges, type AddressLimit } from '../../connections/addresses.ts'
import { networkOf } from '../../flow/accounts/guess-password.ts'
import type { Logger } from '../../log.ts'

/** Of each address but this machine's, where a proxy may stand for everybody. */
const DEFAULT_MAX_CONNECTIONS = 1_000
const WARN_INTERVAL_MS = 60_000

export interface AddressLimitSettings {
  /** 0 is no limit; null the default. */
  maxConnectionsPerAddress: number | null
  trustProxy: string[]
}

export function addressLimit({ maxConnectionsPerAddress, trustProxy }: AddressLimitSettings): AddressLimit | undefined {
  const max = maxConnectionsPerAddress ?? DEFAULT_MAX_CONNECTIONS
  if (max === 0) return undefined
  const isExempt = inRanges(maxConnectionsPerAddress === null ? [...trustProxy, 'loopback'] : trustProxy)
  return { max, isExempt, networkOf }
}

/** Says it at most once a minute. */
export function warnOfRefused(log: Pick<Logger, 'warn'>): (address: string | undefined) => void {
  let warnedAt = -Infinity
  return (address) => {
    if (performance.now() - warnedAt < WARN_INTERVAL_MS) return
    warnedAt = performance.now()
    log.warn({ address }, 'refused connections of an address that has MAX_CONNECTIONS_PER_ADDRESS; if it is a proxy, add it to TRUST_PROXY')
  }
}
