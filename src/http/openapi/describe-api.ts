// The API description over HTTP. What it is made with is loaded for the first who asks: it is as much as half of all other routes.
import type { FastifyInstance, RouteOptions } from 'fastify'
import { file } from '../answers.ts'
import { addEndpoint, type Description } from '../endpoint.ts'

/** Adds `GET /api/openapi.json`. Call it on the root instance before the other routes. */
export function describeApi(fastify: FastifyInstance): void {
  const endpoints = new Set<Description>()
  fastify.addHook('onRoute', ({ config }: RouteOptions) => void (config?.endpoint && endpoints.add(config.endpoint)))

  let text: Promise<string> | undefined
  const describe = async () => {
    const { documentOf } = await import('./document.ts')
    return JSON.stringify(await documentOf([...endpoints]))
  }

  addEndpoint(fastify, {
    route: 'GET /api/openapi.json',
    access: 'public',
    tag: 'Server',
    summary: 'This description',
    answers: { 200: file('OpenAPI 3.1', 'application/json') },
    async handler(_request, reply) {
      text ??= describe()
      return reply
        .type('application/json; charset=utf-8')
        .header('cache-control', 'no-cache')
        .send(await text)
    },
  })
}
