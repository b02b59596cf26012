// The API description over HTTP. What it is made with is loaded for the first who asks: it is as much as half of all other routes.
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Adds `GET /api/openapi.json`. Call it on the root instance before the other routes. */
export function describeApi(fastify: FastifyInstance): void {
  const routes: RouteOptions[] = []
  fastify.addHook('onRoute', (route) => void routes.push(route))

  let text: Promise<string> | undefined
  const describe = async () => {
    const { documentOf } = await import('./document.ts')
    return JSON.stringify(await documentOf(routes))
  }
  fastify.get('/api/openapi.json', { config: { access: 'public' } }, async (_request, reply) => {
    text ??= describe()
    return reply
      .type('application/json; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(await text)
  })
}
