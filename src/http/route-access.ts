// What each route asks of who calls it: every route has to say so, or the server does not start.
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Scope } from '../access.ts'

/** `public`: nothing. `media`: nothing or to read, as MEDIA_ACCESS says. Else the scope that it takes. */
export type Access = 'public' | 'media' | Scope

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
}

/** Who preflights asks for no more than what CORS allows. */
const isPreflight = ({ method, url }: RouteOptions) => method === 'OPTIONS' && url === '*'

/** Call before any route is added. The start then fails, naming them, if there are routes without `config.access`. */
export function requireAccess(fastify: FastifyInstance): void {
  const routes: RouteOptions[] = []
  fastify.addHook('onRoute', (route) => void routes.push(route))
  // Only then, as plugins add routes of packages to which they give their access afterwards.
  fastify.addHook('onReady', async () => {
    const open = routes.filter((route) => route.config?.access === undefined && !isPreflight(route))
    if (open.length === 0) return
    throw new Error(`Routes without config.access: ${open.map(({ method, url }) => `${String(method)} ${url}`).join(', ')}`)
  })
}
