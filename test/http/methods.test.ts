// The methods of every address: what Allow lists is what it answers, and nothing else.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startShared, WHO, type Shared } from '../support/clients/principals.ts'

// OPTIONS is CORS alone, and answered at every address.
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

let shared: Shared
before(async () => {
  shared = await startShared()
})
after(() => shared.end())

async function ask(method: string, path: string) {
  const answer = await fetch(shared.publicUrl + path, { method, headers: { [WHO]: 'root' } })
  const text = await answer.text()
  const code = answer.status === 405 && method !== 'HEAD' ? (JSON.parse(text) as { code: string }).code : null
  return { status: answer.status, allow: answer.headers.get('allow'), code }
}

/** By the address as its routes have it. */
function methodsOfAddresses(): Map<string, string[]> {
  const routes = shared.routes.map((route) => route.split(' ') as [method: string, url: string]).filter(([, url]) => !url.includes('*'))
  const byUrl = Map.groupBy(routes, ([, url]) => url)
  return new Map([...byUrl].map(([url, of]) => [url, [...new Set(of.map(([method]) => method))].sort()]))
}

describe('every address', () => {
  test('answers the methods of its routes, and every other with 405 and an Allow of exactly those', async () => {
    const addresses = methodsOfAddresses()
    assert.ok(addresses.size > 50)
    for (const [url, methods] of addresses) {
      const path = url.replaceAll(/:\w+/g, crypto.randomUUID())
      for (const method of METHODS) {
        const { status, allow, code } = await ask(method, path)
        if (methods.includes(method)) assert.notEqual(status, 405, `${method} ${url}`)
        else {
          assert.deepEqual([status, allow], [405, methods.join(', ')], `${method} ${url}`)
          assert.equal(code, method === 'HEAD' ? null : 'method_not_allowed', `${method} ${url}`)
        }
      }
    }
  })

  test('with a slash too many is nowhere', async () => {
    for (const path of ['/api/list/', '/api/images/count/', '/api/upload/', '/healthz/']) {
      for (const method of METHODS) assert.deepEqual(await ask(method, path), { status: 404, allow: null, code: null }, `${method} ${path}`)
    }
  })

  test('is asked for its methods by who may not use it as well', async () => {
    const answer = await fetch(`${shared.publicUrl}/api/images/archive`, { method: 'PUT', headers: { [WHO]: 'guest' } })
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, HEAD, POST'])
  })
})
