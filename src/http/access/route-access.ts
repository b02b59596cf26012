// What each route asks of who calls it.
import type { FastifyRequest } from 'fastify'
import type { Scope } from '../../access.ts'

/** `public`: nothing. `media`: nothing or to read, as MEDIA_ACCESS says. `session`: to be signed in, not by a key. Else the scope that it takes. */
export type Access = 'public' | 'media' | 'session' | Scope

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** A public route that wants to know nevertheless who asks. */
    identifies?: boolean
  }
}

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']
export const isSafe = ({ method }: Pick<FastifyRequest, 'method'>) => SAFE_METHODS.includes(method)

export function accessOf(request: FastifyRequest): Access {
  const { config } = request.routeOptions
  // Nothing is there, or who preflights asks for no more than what CORS allows.
  if (request.is404 || request.method === 'OPTIONS') return 'public'
  // The server does not start with a route that does not say it (`require-access.ts`).
  return config.access ?? 'admin'
}
