// An endpoint is what its declaration says: its status, headers and access, and the types that its handler is checked against.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { sent } from '../../src/api/common.ts'
import { file, nothing, one, page } from '../../src/http/answers.ts'
import { addEndpoint, takeJsonOnly } from '../../src/http/endpoint.ts'
import { checkedByZod } from '../../src/http/hooks/checked-by-zod.ts'
import { answerProblems, problemOptions } from '../../src/http/hooks/problem.ts'

const thing = sent('Thing', () => z.strictObject({ id: z.string(), size: z.int() }), { id: 'a', size: 1 })
const known = { access: 'read', tag: 'Images', summary: 'A thing' } as const

let fastify: FastifyInstance
beforeEach(() => {
  fastify = Fastify({ ...problemOptions, ...checkedByZod })
  answerProblems(fastify)
})
afterEach(() => fastify.close())

test('answers with the one status that it declares, and with 200 where it declares several', async () => {
  addEndpoint(fastify, { ...known, route: 'POST /made', answers: { 201: one('Made', thing) }, handler: async () => ({ id: 'a', size: 1 }) })
  addEndpoint(fastify, { ...known, route: 'DELETE /gone/:id', answers: { 204: nothing('Gone') }, handler: async () => undefined })
  const either = { 200: one('Done', thing), 202: one('Later', thing) }
  addEndpoint(fastify, { ...known, route: 'POST /either', answers: either, handler: async () => ({ id: 'a', size: 1 }) })
  const made = await fastify.inject({ method: 'POST', url: '/made' })
  assert.deepEqual([made.statusCode, made.json()], [201, { id: 'a', size: 1 }])
  const gone = await fastify.inject({ method: 'DELETE', url: '/gone/1' })
  assert.deepEqual([gone.statusCode, gone.body], [204, ''])
  assert.equal((await fastify.inject({ method: 'POST', url: '/either' })).statusCode, 200)
})

test('sets no-store only where it is declared', async () => {
  addEndpoint(fastify, { ...known, route: 'GET /kept', answers: { 200: page('All', thing) }, handler: async () => [] })
  addEndpoint(fastify, { ...known, route: 'GET /private', noStore: true, answers: { 200: page('All', thing) }, handler: async () => [] })
  assert.equal((await fastify.inject('/kept')).headers['cache-control'], undefined)
  assert.equal((await fastify.inject('/private')).headers['cache-control'], 'no-store')
  assert.equal((await fastify.inject({ method: 'HEAD', url: '/private' })).headers['cache-control'], 'no-store')
})

test('hands HEAD to its handler where it declares so', async () => {
  const methods: string[] = []
  addEndpoint(fastify, {
    ...known,
    route: 'GET /bytes/:name',
    handlesHead: true,
    answers: { 200: file('Bytes', 'image/png') },
    async handler({ method, params }, reply) {
      methods.push(`${method} ${params.name}`)
      return reply.type('image/png').send(Buffer.from('png'))
    },
  })
  await fastify.inject('/bytes/a')
  await fastify.inject({ method: 'HEAD', url: '/bytes/b' })
  assert.deepEqual(methods, ['GET a', 'HEAD b'])
})

test('checks requests by its schemas, and no answer', async () => {
  takeJsonOnly(fastify)
  addEndpoint(fastify, {
    ...known,
    route: 'POST /things',
    query: z.object({ many: z.coerce.number().default(1) }),
    body: { schema: z.object({ id: z.string() }), example: { id: 'a' } },
    answers: { 200: one('A thing', thing) },
    // A value that only looks as it should is sent as it is.
    handler: async ({ query, body }) => Object.assign({ id: body.id, size: query.many }, { more: true }),
  })
  const post = async (payload: string | object, type = 'application/json') => {
    const answer = await fastify.inject({ method: 'POST', url: '/things?many=2', payload, headers: { 'content-type': type } })
    return [answer.statusCode, answer.json().code ?? answer.json()]
  }
  assert.deepEqual(await post({ id: 'a' }), [200, { id: 'a', size: 2, more: true }])
  assert.deepEqual(await post({ id: 1 }), [400, 'bad_request'])
  assert.deepEqual(await post('id', 'text/plain'), [415, 'not_json'])
})

test('creates the schemas of its answers only when they are read', () => {
  let created = 0
  const lazy = sent(null, () => (created++, z.string()), 'text')
  addEndpoint(fastify, { ...known, route: 'GET /lazy', answers: { 200: one('A text', lazy) }, handler: async () => 'text' })
  assert.equal(created, 0)
  assert.equal(lazy.schema, lazy.schema)
  assert.equal(created, 1)
})

// Checked by the compiler, never called.
void function types() {
  // @ts-expect-error: a member is missing
  addEndpoint(fastify, { ...known, route: 'GET /a', answers: { 200: one('A thing', thing) }, handler: async () => ({ id: 'a' }) })
  // @ts-expect-error: a page is an array
  addEndpoint(fastify, { ...known, route: 'GET /b', answers: { 200: page('Things', thing) }, handler: async () => ({ id: 'a', size: 1 }) })
  // @ts-expect-error: 204 has no body
  addEndpoint(fastify, { ...known, route: 'GET /c', answers: { 204: nothing('Gone') }, handler: async () => ({ id: 'a' }) })
  const answers = { 204: nothing('Gone') }
  // @ts-expect-error: the path has no such parameter
  addEndpoint(fastify, { ...known, route: 'GET /d/:id', answers, handler: async ({ params }) => void params.name })
  const body = { schema: z.object({ id: z.string() }), example: { id: 1 } }
  // @ts-expect-error: the example does not fit the schema
  addEndpoint(fastify, { ...known, route: 'POST /e', body, answers, handler: async () => undefined })
  // @ts-expect-error: the example of an answer does not fit its schema
  sent('Other', () => z.strictObject({ id: z.string() }), { id: 1 })
}
