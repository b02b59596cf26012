// Every route has to say what it asks of who calls it, or the server does not start.
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Access } from './route-access.ts'

/** Who preflights asks for no more than what CORS allows. */
const isPreflight = ({ method, url }: RouteOptions) => method === 'OPTIONS' && url === '*'

/** Call before any route is added. The start then fails, naming them, if there are routes without `config.access`. */
export function requireAccess(fastify: FastifyInstance): void {
  const routes: RouteOptions[] = []
  fastify.addHook('onRoute', (route) => void routes.push(route))
  // Only then, as routes of packages are given theirs after this hook.
  fastify.addHook('onReady', async () => {
    const accessOf = ({ config }: RouteOptions): Access | undefined => config?.access
    const lacking = routes.filter((route) => accessOf(route) === undefined && !isPreflight(route))
    if (lacking.length === 0) return
    throw new Error(`Routes without config.access: ${lacking.map(({ method, url }) => `${String(method)} ${url}`).join(', ')}`)
  })
}
