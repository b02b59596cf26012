// What each route asks of who calls it.
import type { FastifyRequest } from 'fastify'
import type { Scope } from '../access.ts'

/** `public`: nothing. `media`: nothing or to read, as the route decides. `session`: to be signed in, not by a key. Else the scope that it takes. */
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
  return config.access ?? accessUntilRoutesSay(request)
}

// TODO: goes when each route has its `config.access`, and the start fails without.
function accessUntilRoutesSay(request: FastifyRequest): Access {
  const url = request.routeOptions.url ?? ''
  if (!url.startsWith('/api/') && !url.startsWith('/ws/')) return url.startsWith('/media/') ? 'media' : 'public'
  return isSafe(request) ? 'read' : request.method === 'DELETE' ? 'delete' : 'upload'
}
