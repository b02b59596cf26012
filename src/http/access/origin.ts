// Who may ask: decides by the Origin header whether a page of another site reaches us.
import type { FastifyRequest } from 'fastify'

/**
 * A request without an Origin comes from a program, not from a page, and is allowed. A page is allowed when it was served by the
 * host it asks (scheme aside: a proxy may end TLS before us) or when its origin is listed, letter by letter, in CORS_ORIGINS.
 */
export function isAllowedOrigin(origin: string | undefined, host: string | undefined, corsOrigins: readonly string[]): boolean {
  if (origin === undefined || corsOrigins.includes(origin)) return true
  const page = URL.parse(origin)
  if (page === null || page.origin !== origin || host === undefined) return false
  // Through URL as well, so that case and a port that is the scheme's own don't make a difference.
  return URL.parse(`${page.protocol}//${host}`)?.host === page.host
}

/**
 * Whether a request that a browser sent with a cookie was made by a page of ours, exactly: what CORS_ORIGINS lists has no cookie. One
 * without an Origin is believed only where the browser says so in another way.
 */
export function isOwnPage({ headers, protocol }: Pick<FastifyRequest, 'headers' | 'protocol'>): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  if (origin === undefined) return site === 'same-origin'
  // A proxy may end TLS before us without being trusted to say so; a page without TLS is never one of a server with it.
  if (protocol === 'https' && !origin.startsWith('https:')) return false
  return isAllowedOrigin(origin, host, [])
}
