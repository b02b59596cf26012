// What every answer tells a browser: to run nothing in it, to show it in no frame, to take it for nothing else than it is.
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Pages and media say more exactly what they are. */
const HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
} as const

/** For answers that no framework writes. */
export const SECURITY_HEADER_LINES = Object.entries(HEADERS)
  .map(([name, value]) => `${name}: ${value}`)
  .join('\r\n')

const HEADERS_BY_TLS = { ...HEADERS, 'strict-transport-security': `max-age=${365 * 24 * 60 * 60}` }

export const securityHeaders = ({ protocol }: Pick<FastifyRequest, 'protocol'>) => (protocol === 'https' ? HEADERS_BY_TLS : HEADERS)

/** On the root instance, before any hook that may answer. */
export function addSecurityHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', async (request, reply) => void reply.headers(securityHeaders(request)))
}
