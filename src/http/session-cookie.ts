// The cookie of a session: for this host alone, out of reach of scripts.
import type { FastifyReply, FastifyRequest } from 'fastify'

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
