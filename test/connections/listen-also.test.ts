// A second address of one server: what is sent there is answered as at the first, and is waited for at the end.
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createListener } from '../../src/connections/create-listener.ts'
import { listenAlso } from '../../src/connections/listen-also.ts'
import { eventually } from '../support/clients/client.ts'
import { get, openRaw } from '../support/clients/raw-connection.ts'

// Every Linux answers at all of 127.0.0.0/8, also where IPv6 is off.
const OTHER = '127.0.0.2'

test('a second address shares the port, the handler and the bounds of the first', async () => {
  let answer: (() => void) | undefined
  const server = createListener(
    (request, response) => {
      const end = () => void response.end(request.url)
      if (request.url === '/waits') answer = end
      else end()
    },
    { requestTimeoutMs: 500, answerOf: () => 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n' },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = await listenAlso(server, OTHER)
  assert.ok(stop)
  assert.equal(await listenAlso(server, OTHER), null, 'it is taken')
  const url = `http://${OTHER}:${port}`
  using slow = await openRaw({ url })
  slow.write('GET / HTTP/1.1\r\nhost:')
  await slow.untilOver(2_000)
  assert.deepEqual(slow.statuses(), [408])

  using client = await openRaw({ url })
  client.write(get('/first') + get('/waits', 'connection: close'))
  await eventually('it is asked', async () => answer !== undefined)
  let stopped = false
  const stopping = stop().then(() => (stopped = true))
  server.close()
  assert.equal(stopped, false)
  answer!()
  await stopping
  await client.untilOver(2_000)
  assert.deepEqual(client.statuses(), [200, 200])
})
