// What a connection may do to any route of the server: a body that stops, and an `Upgrade` that is not for it.
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { startCallers, type Callers } from '../support/clients/callers.ts'
import { MULTIPART, END_OF_PARTS, part, eventually } from '../support/clients/client.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { openRaw } from '../support/clients/raw-connection.ts'

const REQUEST_TIMEOUT_MS = 1_000
/** A refusal is held back for 5 s while a client may still send. */
const END_MS = 9_000

let callers: Callers
let url: string
before(async () => {
  callers = await startCallers({ patience: { requestTimeoutMs: REQUEST_TIMEOUT_MS } })
  await callers.server.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(callers.server.server.address() as AddressInfo).port}`
})
after(() => callers.end())

const UPLOADS = ['/api/upload', '/api/async/upload', '/api/async/batch/upload']

function addresses(): [method: string, path: string][] {
  const routes = callers.routes.map((route) => route.split(' ') as [string, string]).filter(([, path]) => !path.includes('*'))
  const known = routes.map(([method, path]): [string, string] => [
    method,
    path.replace(':id', crypto.randomUUID()).replace(':file', 'a.jpg'),
  ])
  return [...known, ['POST', '/nothing/here'], ['PUT', '/api/list'], ['GET', '/%zz'], ['GET', '/assets/a.js']]
}

const head = (method: string, path: string, headers: Record<string, string>) =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({ host: 'localhost', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`

describe('a body that stops', () => {
  test('ends its connection in time, at every address, for everybody', async () => {
    const member = await callers.headersOf('member')
    const tries = [{}, member].flatMap((headers) => addresses().map(([method, path]) => ({ method, path, headers })))
    const held: string[] = []
    await Promise.all(
      tries
        // The body of an upload that may be received has a limit of silence.
        .filter(({ path, headers }) => headers !== member || !UPLOADS.includes(path))
        .map(async ({ method, path, headers }) => {
          using client = await openRaw({ url })
          client.write(head(method, path, { ...headers, 'content-type': 'application/json', 'content-length': '100' }))
          client.write('{"email":')
          await client.untilOver(END_MS).catch(() => held.push(`${method} ${path}`))
          assert.ok(client.statuses().length <= 1, `${method} ${path}: ${client.text()}`)
        }),
    )
    assert.deepEqual(held, [])
  })

  test('is answered with 408 and the code where the body is waited for', async () => {
    for (const [method, path, caller] of [
      ['POST', '/api/auth/login', 'nobody'],
      ['POST', '/api/auth/setup', 'nobody'],
      ['POST', '/api/batches', 'member'],
      ['POST', '/api/keys', 'member'],
    ] as const) {
      using client = await openRaw({ url })
      client.write(
        head(method, path, { ...(await callers.headersOf(caller)), 'content-type': 'application/json', 'content-length': '100' }),
      )
      await client.untilOver(END_MS)
      assert.match(client.text(), /^HTTP\/1\.1 408 [^]*connection: close[^]*"code":"upload_timeout"/i, path)
    }
  })

  test('of an upload has the limit of uploads: it goes on after a pause', async () => {
    const body = Buffer.concat([part('images', 'a.jpg', Buffer.alloc(1_000, 'x')), END_OF_PARTS])
    using client = await openRaw({ url })
    const headers = { ...(await callers.headersOf('member')), 'content-type': MULTIPART, 'content-length': String(body.length) }
    client.write(head('POST', '/api/async/upload', headers))
    client.write(body.subarray(0, 500))
    await wait(REQUEST_TIMEOUT_MS * 3)
    client.write(body.subarray(500))
    await eventually('it is answered', async () => client.statuses().length === 1)
    assert.deepEqual(client.statuses(), [415], 'it came whole, and is no image')
  })
})

describe('an Upgrade that is not for it', () => {
  /** As the HttpClient of the JDK sends it with every request to an http: address (seen on the wire, OpenJDK 17). */
  const H2C = {
    connection: 'Upgrade, HTTP2-Settings',
    'http2-settings': 'AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA',
    upgrade: 'h2c',
  }

  /** The status and the body of a GET or POST. */
  async function answerTo(method: string, path: string, headers: Record<string, string>, body = '') {
    using client = await openRaw({ url })
    client.write(head(method, path, { ...headers, ...(body !== '' && { 'content-length': String(Buffer.byteLength(body)) }) }) + body)
    await eventually(`an answer to ${method} ${path}`, async () => client.statuses().length > 0)
    return client.statuses()[0]
  }

  test('changes no answer, at any address', async () => {
    const headers = await callers.headersOf('member')
    for (const [method, path] of addresses()) {
      // Its second time would be another one's: it ends the session.
      if (path === '/api/auth/logout' || path === '/api/auth/login') continue
      const upgrades = [H2C, { connection: 'Upgrade', upgrade: 'websocket' }, { connection: 'upgrade', upgrade: 'TLS/1.0, HTTP/3' }]
      const plain = await answerTo(method, path, headers)
      for (const upgrade of path.startsWith('/ws/') ? upgrades.slice(0, 1) : upgrades) {
        assert.equal(await answerTo(method, path, { ...headers, ...upgrade }), plain, `${method} ${path} ${upgrade.upgrade}`)
      }
    }
  })

  test('comes with the body of an upload, in any pieces', async () => {
    const bytes = await smallPhotograph({ seed: 1 })
    const body = Buffer.concat([part('image', 'a.jpg', bytes), END_OF_PARTS])
    const headers = { ...(await callers.headersOf('member')), ...H2C, 'content-type': MULTIPART, 'content-length': String(body.length) }
    for (const at of [0, 100, body.length]) {
      using client = await openRaw({ url })
      client.write(head('POST', '/api/upload', headers))
      client.write(body.subarray(0, at))
      await wait(50)
      client.write(body.subarray(at))
      await eventually('it is answered', async () => client.statuses().length > 0)
      assert.deepEqual(client.statuses(), [200], client.text())
    }
  })

  test('leaves nothing on the connection that could be taken for another request', async () => {
    using client = await openRaw({ url })
    client.write(head('GET', '/healthz', H2C) + head('GET', '/readyz', {}))
    await client.untilOver(5_000)
    assert.deepEqual(client.statuses(), [200])
    assert.match(client.text(), /connection: close/i)
  })
})
