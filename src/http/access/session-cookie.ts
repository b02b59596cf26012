// The cookies of a session and of a known device: for this host alone, out of reach of scripts.
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DEVICE_LIFETIME_MS } from '../../accounts/sessions/known-device.ts'

const NAME = 'calotype_session'

const isSecure = ({ protocol }: FastifyRequest) => protocol === 'https'

/** By TLS only the name that a browser takes from nobody but this host itself, by TLS (RFC 6265bis, 4.1.3.2). */
const nameFor = (request: FastifyRequest) => (isSecure(request) ? `__Host-${NAME}` : NAME)

const optionsFor = (request: FastifyRequest) => ({
  path: '/',
  httpOnly: true,
  sameSite: 'lax' as const,
  secure: isSecure(request),
})

export const sessionTokenOf = (request: FastifyRequest): string | null => request.cookies[nameFor(request)] ?? null

export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, token: string, maxMs: number): void {
  reply.setCookie(nameFor(request), token, { ...optionsFor(request), maxAge: Math.floor(maxMs / 1000) })
}

export function clearSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  reply.clearCookie(nameFor(request), optionsFor(request))
}

/** One for each user of a browser. The name does not tell whose it is. */
const deviceNameFor = (userId: string) => `calotype_device_${createHash('sha256').update(userId).digest('hex').slice(0, 12)}`

export const deviceTokenOf =
  (request: FastifyRequest) =>
  (userId: string): string | undefined =>
    request.cookies[deviceNameFor(userId)]

/** Sent only where somebody signs in, and never by a link from elsewhere. It stays when the session ends. */
export function setDeviceCookie(request: FastifyRequest, reply: FastifyReply, userId: string, token: string): void {
  const maxAge = Math.floor(DEVICE_LIFETIME_MS / 1000)
  reply.setCookie(deviceNameFor(userId), token, { ...optionsFor(request), path: '/api/auth', sameSite: 'strict', maxAge })
}
