// What every answer tells a browser, whatever it is: pages, files, JSON, media, refusals, and what never became a request.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { OutgoingHttpHeaders } from 'node:http'
import type { InjectOptions } from 'fastify'
import { startCallers, type Callers } from '../support/clients/callers.ts'
import { RECIPE } from '../../src/rendition/presets.ts'

let callers: Callers
before(async () => {
  callers = await startCallers({ trustProxy: ['127.0.0.1'] })
})
after(() => callers.end())

const BY_TLS = { 'x-forwarded-proto': 'https' }

function assertSecure(headers: OutgoingHttpHeaders, where: string) {
  const policy = String(headers['content-security-policy'])
  assert.match(policy, /(^|; )default-src '(self|none)'(;|$)/, where)
  assert.match(policy, /(^|; )frame-ancestors 'none'(;|$)/, where)
  // The one that hashes files compiles WebAssembly, which is no evaluating of text.
  assert.doesNotMatch(policy.replace("'wasm-unsafe-eval'", ''), /unsafe|\*|http:/, where)
  assert.equal(headers['x-content-type-options'], 'nosniff', where)
  assert.equal(headers['referrer-policy'], 'same-origin', where)
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin', where)
  assert.match(String(headers['permissions-policy']), /camera=\(\)/, where)
}

async function look(method: string, url: string, options: InjectOptions = {}) {
  const answer = await callers.server.inject({ method: method as 'GET', url, ...options })
  assertSecure(answer.headers, `${method} ${url}: ${answer.statusCode}`)
  return answer
}

describe('security headers', () => {
  test('are on every route, answered or refused, and say to stay with TLS only by TLS', async () => {
    for (const route of callers.routes) {
      const [method, path] = route.split(' ') as [string, string]
      const url = path.replace(':id', crypto.randomUUID()).replace(':file', 'x.jpg').replace('*', 'a.js')
      for (const caller of ['nobody', 'member', 'admin', 'expired key'] as const) {
        const headers = await callers.headersOf(caller)
        const { headers: plain } = await look(method, url, { headers })
        assert.equal(plain['strict-transport-security'], undefined)
        const { headers: safe } = await look(method, url, { headers: { ...headers, ...BY_TLS } })
        assert.match(String(safe['strict-transport-security']), /^max-age=\d{7,}/, route)
      }
    }
  })

  test('are on media and originals, which also run nothing', async () => {
    const id = await callers.makeImage()
    const headers = await callers.headersOf('admin')
    for (const url of [`/media/images/${id}-${RECIPE.id}.jpg`, `/media/thumbnails/${id}-${RECIPE.id}.webp`, `/api/images/${id}/original`]) {
      const { statusCode, headers: given } = await look('GET', url, { headers })
      assert.equal(statusCode, 200)
      assert.match(String(given['content-security-policy']), /sandbox/)
      await look('GET', url, { headers: { ...headers, range: 'bytes=0-9' } })
      const { statusCode: outside } = await look('GET', url, { headers: { ...headers, range: 'bytes=99999999-' } })
      assert.equal(outside, 416)
      await look('GET', url, { headers: { ...headers, 'if-none-match': String(given.etag) } })
    }
  })

  test('are on what is not there, and on what is no address', async () => {
    for (const [method, url, status] of [
      ['GET', '/nothing', 404],
      ['GET', '/assets/nothing.js', 404],
      ['PUT', '/api/list', 405],
      ['GET', '/api/images/%zz', 400],
      ['GET', `/api/images/${'x'.repeat(300)}`, 404],
      ['POST', '/api/upload', 401],
      ['OPTIONS', '/api/list', 405],
    ] as const) {
      assert.equal((await look(method, url)).statusCode, status, url)
      // What no route can be looked up for has no proxy that is believed, either.
      const { headers } = await look(method, url, { headers: BY_TLS })
      assert.equal(headers['strict-transport-security'] !== undefined, !/%zz|x{300}/.test(url), url)
    }
  })

  test('are on the answer to what is not HTTP', async () => {
    await callers.server.listen({ host: '127.0.0.1', port: 0 })
    for (const sent of ['nonsense\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`]) {
      const socket = connect((callers.server.server.address() as AddressInfo).port, '127.0.0.1')
      await once(socket, 'connect')
      socket.end(sent)
      const [head = ''] = (await readText(socket)).split('\r\n\r\n')
      const headers = Object.fromEntries(
        head
          .split('\r\n')
          .slice(1)
          .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
      )
      assert.match(head, /^HTTP\/1\.1 4\d\d /)
      assertSecure(headers, head)
    }
  })

  test('let the page load scripts from this server alone', async () => {
    const { headers } = await look('GET', '/')
    const policy = String(headers['content-security-policy'])
    assert.doesNotMatch(policy, /script-src|style-src/, 'as default-src says')
    assert.match(policy, /object-src 'none'/)
    assert.match(policy, /base-uri 'none'/)
  })
})
