// Whatever goes wrong, the answer has one shape, the right status, and gives nothing away.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Writable } from 'node:stream'
import { fastify, type FastifyInstance, type InjectOptions } from 'fastify'
import { ERRORS, type ErrorCode } from '../../src/error-codes.ts'
import { CalotypeError } from '../../src/errors.ts'
import { TRAITS } from '../../src/error-codes.ts'
import { answerProblems, problemOptions } from '../../src/http/hooks/problem.ts'

describe('problems', () => {
  let app: FastifyInstance
  let log = ''

  before(async () => {
    const stream = new Writable({
      write(chunk, _encoding, done) {
        log += String(chunk)
        done()
      },
    })
    app = fastify({ ...problemOptions, logger: { level: 'warn', stream } })
    answerProblems(app)
    app.get('/fail/:code', async (request) => {
      throw new CalotypeError((request.params as { code: ErrorCode }).code)
    })
    app.get('/busy', async () => {
      throw new CalotypeError('overloaded', undefined, { retryAfterSeconds: 1.2 })
    })
    app.get('/bug', async () => {
      throw new TypeError('secret detail')
    })
    app.get('/full', async () => {
      throw Object.assign(new Error('secret write'), { code: 'ENOSPC' })
    })
    app.get('/rejected', async () => {
      throw new CalotypeError('no_file', undefined, { details: { rejected: [{ name: 'a', code: 'empty_file', error: 'b' }] } })
    })
    app.get('/query', { schema: { querystring: { type: 'object', properties: { limit: { type: 'integer' } } } } }, async () => 'ok')
    app.post('/things', async () => 'ok')
    app.delete('/things/:id', async () => 'ok')
    app.get('/things/:id', async () => 'ok')
    app.get('/static/*', async () => 'ok')
    await app.listen({ host: '127.0.0.1', port: 0 })
  })
  after(() => app.close())

  it('gives every code its status, its sentence and no cache', async () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const answer = await app.inject(`/fail/${code}`)
      assert.equal(answer.statusCode, TRAITS[code].status)
      assert.deepEqual(answer.json(), { error: ERRORS[code], code })
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      assert.equal(answer.headers['cache-control'], 'no-store')
    }
  })

  it('says when to try again, in whole seconds', async () => {
    assert.equal((await app.inject('/busy')).headers['retry-after'], '2')
  })

  it('adds what the refusal has beside its reason', async () => {
    assert.deepEqual((await app.inject('/rejected')).json().rejected, [{ name: 'a', code: 'empty_file', error: 'b' }])
  })

  it('keeps the cause of an unknown error to the log', async () => {
    const answer = await app.inject('/bug')
    assert.equal(answer.statusCode, 500)
    assert.deepEqual(answer.json(), { error: ERRORS.internal, code: 'internal' })
    assert.match(log, /secret detail/)
    const full = await app.inject('/full')
    assert.equal(full.statusCode, 507)
    assert.doesNotMatch(full.body, /secret/)
    assert.match(log, /secret write/)
  })

  const cases: [name: string, request: InjectOptions, status: number, code: ErrorCode][] = [
    ['a parameter that is not valid', { url: '/query?limit=x' }, 400, 'bad_request'],
    [
      'an unknown content type',
      { method: 'POST', url: '/things', payload: '<a/>', headers: { 'content-type': 'text/xml' } },
      415,
      'not_multipart',
    ],
    ['broken JSON', { method: 'POST', url: '/things', payload: '{', headers: { 'content-type': 'application/json' } }, 400, 'bad_request'],
    ['empty JSON', { method: 'POST', url: '/things', payload: '', headers: { 'content-type': 'application/json' } }, 400, 'bad_request'],
    ['too large a body', { method: 'POST', url: '/things', payload: { a: 'x'.repeat(2e6) } }, 413, 'file_too_large'],
    ['broken percent-encoding', { url: '/things/%zz' }, 400, 'bad_request'],
    ['an endless name', { url: `/things/${'x'.repeat(500)}` }, 404, 'not_found'],
    ['nothing there', { url: '/nothing' }, 404, 'not_found'],
    ['one slash too many', { method: 'POST', url: '/things/1/', payload: {} }, 404, 'not_found'],
    [
      'nothing there, for a body nobody parses',
      { method: 'POST', url: '/nothing', payload: 'x', headers: { 'content-type': 'text/xml' } },
      404,
      'not_found',
    ],
    ['a wildcard of another method', { method: 'POST', url: '/static/a' }, 404, 'not_found'],
  ]
  for (const [name, request, status, code] of cases)
    it(`answers ${status} ${code} to ${name}`, async () => {
      const answer = await app.inject(request)
      assert.equal(answer.statusCode, status)
      assert.equal(answer.json().code, code)
      assert.deepEqual(Object.keys(answer.json()).sort(), ['code', 'error'])
    })

  it('names the parameter that is not valid', async () => {
    assert.match((await app.inject('/query?limit=x')).json().error, /^"limit" in the query is not valid: /)
  })

  it('answers 405 with what the address takes', async () => {
    for (const [method, url, allow] of [
      ['GET', '/things', 'POST'],
      ['GET', '/things?a=/things/1', 'POST'],
      ['PUT', '/things/1', 'DELETE, GET, HEAD'],
    ] as const) {
      const answer = await app.inject({
        method,
        url,
        ...(method === 'GET' ? {} : { payload: 'x', headers: { 'content-type': 'text/xml' } }),
      })
      assert.equal(answer.statusCode, 405, `${method} ${url}`)
      assert.equal(answer.headers.allow, allow)
      assert.deepEqual(answer.json(), { error: `This address takes ${allow}.`, code: 'method_not_allowed' })
    }
  })

  it('answers in the same shape to what is no HTTP', async () => {
    const { port } = app.server.address() as { port: number }
    for (const bytes of ['hello\r\n\r\n', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`]) {
      const socket = connect(port, '127.0.0.1')
      let answer = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        answer += chunk
      })
      socket.write(bytes)
      await once(socket, 'close')
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
      assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).code, 'bad_request')
    }
  })
})
