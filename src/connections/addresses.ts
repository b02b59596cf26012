// How many connections one address may have.
import { BlockList, isIP, type Socket } from 'node:net'

export interface AddressLimit {
  /** Connections of one address at once. */
  max: number
  /** Addresses that have no limit, such as proxies. */
  isExempt: (address: string) => boolean
  /** What addresses are counted together: the network of an IPv6 address. */
  networkOf: (address: string) => string
}

/** Returns a function that counts a connection until it closes; it gives false, and counts nothing, beyond the limit. */
export function countByAddress({ max, isExempt, networkOf }: AddressLimit): (socket: Socket) => boolean {
  const counts = new Map<string, number>()
  return (socket) => {
    // Undefined if the peer has left already.
    const { remoteAddress } = socket
    if (remoteAddress === undefined || isExempt(remoteAddress)) return true
    const network = networkOf(remoteAddress)
    const count = counts.get(network) ?? 0
    if (count >= max) return false
    counts.set(network, count + 1)
    socket.once('close', () => {
      const left = counts.get(network)! - 1
      if (left > 0) counts.set(network, left)
      else counts.delete(network)
    })
    return true
  }
}

/** The ranges that Fastify's `trustProxy` knows by name. */
const NAMED_RANGES: Record<string, string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** Whether an address lies in one of the ranges, which are those of TRUST_PROXY: addresses, `address/bits`, or names. */
export function inRanges(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const range of ranges.flatMap((name) => NAMED_RANGES[name] ?? [name])) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => {
    const [bare = ''] = address.split('%')
    return list.check(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4')
  }
}
