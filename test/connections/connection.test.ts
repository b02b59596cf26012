// One connection of a listener: what is pipelined on it is handled in turn, whatever the requests are, and bounded while nobody reads.
import assert from 'node:assert/strict'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { afterEach, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createListener, type ListenerOptions } from '../../src/connections/create-listener.ts'
import { eventually } from '../support/clients/client.ts'
import { get, openRaw, type RawConnection } from '../support/clients/raw-connection.ts'

let server: Server
const clients: RawConnection[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.leave()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** Listens with this handler; gives how to connect. */
async function listen(handle: RequestListener, options: Partial<ListenerOptions> = {}) {
  server = createListener(handle, {
    answerOf: ({ code }) => `HTTP/1.1 ${code === 'upload_timeout' ? 408 : 400} Refused\r\nconnection: close\r\n\r\n${code}`,
    ...options,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async (how?: { reads: boolean }) => {
    const client = await openRaw({ url }, how)
    clients.push(client)
    return client
  }
}

/** Answers with the address, and the body of the request, after a moment; counts how many it does at once. */
function counting() {
  const seen: string[] = []
  let [now, most] = [0, 0]
  const handle: RequestListener = (request, response) => {
    seen.push(request.url!)
    most = Math.max(most, ++now)
    response.on('finish', () => now--)
    readText(request).then(
      (body) => setTimeout(() => response.end(`[${request.url} ${body}]`), 1),
      () => undefined,
    )
  }
  return { handle, seen, most: () => most }
}

test('1,000 requests sent at once are handled one by one and answered in their order', async () => {
  const { handle, seen, most } = counting()
  const client = await (await listen(handle))()
  client.write(Array.from({ length: 1_000 }, (_, at) => get(`/${at}`)).join(''))
  await eventually('all are answered', async () => client.statuses().length === 1_000, 30_000)
  assert.equal(most(), 1)
  const expected = Array.from({ length: 1_000 }, (_, at) => `/${at}`)
  assert.deepEqual(seen, expected)
  assert.deepEqual(client.text().match(/\/\d+(?= \])/g), expected)
})

test('a connection that is not read is read no further, and goes on once it is', async () => {
  const { handle, seen } = counting()
  const body = Buffer.alloc(1_000_000, 'x')
  const connect = await listen((request, response) => {
    handle(request, response)
    response.write(body)
  })
  const client = await connect({ reads: false })
  const requests = 20_000
  client.write(Array.from({ length: requests }, () => get('/')).join(''))
  await wait(500)
  const { promise, resolve } = Promise.withResolvers<number>()
  server.getConnections((_error, count) => resolve(count))
  assert.equal(await promise, 1)
  assert.ok(seen.length < 20, `${seen.length} were begun`)
  client.read()
  await eventually('it goes on', async () => seen.length > 30)
})

test('a body that is on its way is received behind other requests', async () => {
  const { handle } = counting()
  const client = await (await listen(handle))()
  client.write(Array.from({ length: 50 }, () => get('/before')).join(''))
  const large = 'y'.repeat(3_000_000)
  client.write(`POST /large HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${large.length}\r\n\r\n`)
  client.write(large)
  client.write(`POST /chunks HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`)
  client.write(`HEAD /head HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  client.write(`POST /continue HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n`)
  await eventually('it may send its body', async () => client.statuses().includes(100))
  client.write('ok')
  client.write(get('/last'))
  await eventually('all are answered', async () => client.text().endsWith('[/last ]'))
  assert.deepEqual(
    client.statuses().filter((status) => status !== 200),
    [100],
  )
  assert.ok(client.text().includes(`[/large ${large}]`))
  assert.ok(client.text().includes('[/chunks abc]') && client.text().includes('[/continue ok]'))
})

test('what was sent behind a response that ends the connection has no effect', async () => {
  const { handle, seen } = counting()
  const connect = await listen((request, response) => {
    if (request.url === '/ends') response.setHeader('connection', 'close')
    handle(request, response)
  })
  const client = await connect()
  client.write(get('/ends') + get('/none') + get('/none'))
  await client.untilOver(5_000)
  assert.deepEqual(seen, ['/ends'])
})

test('what waits on a connection is forgotten when its client leaves', async () => {
  const { handle, seen } = counting()
  const connect = await listen((request, response) => {
    if (request.url === '/slow') seen.push('/slow')
    else handle(request, response)
  })
  const client = await connect()
  client.write(get('/slow') + get('/waits').repeat(5))
  await eventually('it is begun', async () => seen.length === 1)
  client.leave()
  await wait(100)
  assert.deepEqual(seen, ['/slow'])
})

test('of connections that send on and on, those beyond the room for waiting requests are ended; others are served', async () => {
  const connect = await listen((request, response) => void (request.url === '/quick' && response.end('quick')))
  const flood = get('/').repeat(2_000)
  const flooding = await Promise.all(Array.from({ length: 8 }, () => connect()))
  for (const client of flooding) client.write(flood)
  await eventually('some are ended', async () => flooding.some((client) => client.isOver()))
  const client = await connect()
  client.write(get('/quick').repeat(5))
  await eventually('they are answered', async () => client.statuses().length === 5)
  assert.ok(
    flooding.some((other) => !other.isOver()),
    'not all',
  )
})

test('what is no request is refused behind the answers to those before it', async () => {
  const { handle } = counting()
  const client = await (await listen(handle))()
  client.write(`${get('/first')}${get('/second')}nonsense\r\n\r\n`)
  await client.untilOver(5_000)
  assert.deepEqual(client.statuses(), [200, 200, 400])
})

test('a client that reads nothing of what is sent to it is cut off; one that reads late is not', async () => {
  const stalledWriteMs = 1_500
  const body = Buffer.alloc(50_000_000, 'x')
  const ended: string[] = []
  const connect = await listen(
    (request, response) => {
      response.on('close', () => void (response.writableFinished || ended.push(request.url!)))
      response.end(body)
    },
    { stalledWriteMs },
  )
  const [silent, late] = [await connect({ reads: false }), await connect({ reads: false })]
  silent.write(get('/silent'))
  late.write(get('/late'))
  const startedAt = performance.now()
  await wait(stalledWriteMs * 0.7)
  late.read()
  await eventually('the silent one is cut off', async () => ended.length > 0)
  assert.deepEqual(ended, ['/silent'])
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs > stalledWriteMs * 0.9 && tookMs < stalledWriteMs * 1.4 + 1_000, `${tookMs} ms`)
})

test('a response that takes its time is no stalled write', async () => {
  const connect = await listen((_request, response) => void setTimeout(() => response.end('late'), 1_500), { stalledWriteMs: 300 })
  const client = await connect()
  client.write(get('/'))
  await eventually('it is answered', async () => client.text().endsWith('late'))
})

test('a request that stops is answered with 408 in time, one with a limit of its own is not', async () => {
  const connect = await listen(counting().handle, {
    requestTimeoutMs: 500,
    hasOwnTimeout: ({ url }) => url === '/own',
  })
  const post = (path: string) => `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf`
  const [head, body, behind, own] = [await connect(), await connect(), await connect(), await connect()]
  head.write('GET / HTTP/1.1\r\nhost: local')
  body.write(post('/body'))
  behind.write(get('/before') + post('/behind'))
  own.write(post('/own'))
  for (const client of [head, body, behind]) await client.untilOver(2_000)
  assert.deepEqual([head.statuses(), body.statuses(), behind.statuses()], [[408], [408], [200, 408]])
  assert.equal(own.isOver(), false)
  own.write('-whole')
  await eventually('it is answered', async () => own.text().endsWith('[/own half-whole]'))
})

test('a request that was answered before its body came is not answered twice', async () => {
  const connect = await listen((_request, response) => void response.end('refused'), { requestTimeoutMs: 500 })
  const client = await connect()
  client.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf')
  await client.untilOver(2_000)
  assert.deepEqual(client.statuses(), [200])
})

test('connections of one address are limited, and freed', async () => {
  const addresses = { max: 3, isExempt: () => false, networkOf: (address: string) => address }
  const connect = await listen(counting().handle, { addresses })
  const three = [await connect(), await connect(), await connect()]
  const fourth = await connect()
  await fourth.untilOver(1_000)
  assert.deepEqual(fourth.statuses(), [400])
  three[0]!.leave()
  await wait(50)
  const again = await connect()
  again.write(get('/'))
  await eventually('it is answered', async () => again.statuses()[0] === 200)
})
