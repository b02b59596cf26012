// By which names the server may be asked: decides by the Host header whether a page reaches us through a name that lies about its address.
import { isIP } from 'node:net'

/**
 * A server on loopback is open to every page in a browser of this machine whose own name resolves to it (DNS rebinding): to the
 * browser they are of one origin. A page can't choose its Host header, so an address, localhost, a name below it and the names in
 * `allowedHosts` are honest; `*` allows any. A request without one comes from a program.
 */
export function isAllowedHost(host: string | undefined, allowedHosts: readonly string[]): boolean {
  if (host === undefined || allowedHosts.includes('*')) return true
  const name = /^(\[[^\]]*\]|[^:]*)(:\d*)?$/.exec(host)?.[1]?.toLowerCase().replace(/\.$/, '')
  if (name === undefined) return false
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0) return true
  return name === 'localhost' || name.endsWith('.localhost') || allowedHosts.includes(name)
}
