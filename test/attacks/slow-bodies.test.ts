// Requests that begin and never end, at every kind of address: each is ended after 30 s, and costs nobody else anything meanwhile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorkerServer } from '../../src/http/worker-server.ts'
import { createLog } from '../../src/log.ts'
import { createMetricsServer } from '../../src/observe/metrics-server.ts'
import { MULTIPART } from '../support/clients/client.ts'
import { processesOfGroup } from '../support/servers/processes.ts'
import { openRaw } from '../support/clients/raw-connection.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { ROUNDS, tellAttack, watch } from './figures.ts'

const CONNECTIONS_EACH = ROUNDS === null ? 3 : 100
const MOST_GROWTH_MB = 100
/** 30 s, what drains a refused upload, and what nginx goes on to read of a body after its answer (`lingering_time`). */
const ENDED_MS = { embedded: 36_000, cluster: 70_000 }

const head = (path: string, type: string) => `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n`
const half = (path: string, type = 'application/json') => `${head(path, type)}content-length: 1000\r\n\r\n{"files":`
const endless = (path: string) => `${head(path, 'application/json')}transfer-encoding: chunked\r\n\r\n5\r\n{"fil`

const REQUESTS: Record<string, string> = {
  'sign in': half('/api/auth/login'),
  'set up': half('/api/auth/setup'),
  'sign out': half('/api/auth/logout'),
  'nothing there': half('/no/such/address'),
  'another method': half('/api/list'),
  'a declaration': half('/api/batches'),
  'a declaration in chunks': endless('/api/batches'),
  'an archive': half('/api/images/archive', 'application/x-www-form-urlencoded'),
  'an upload that is refused': half('/api/upload', 'application/json'),
  'a body that is announced': `${head('/api/batches', 'application/json')}expect: 100-continue\r\ncontent-length: 1000\r\n\r\n`,
  'a GET with a body': 'GET /api/list HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nhalf',
  'half a head': 'GET /api/list HTTP/1.1\r\nhost: localhost\r\nx-never: end',
  'half a handshake': 'GET /ws/upload/ HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n',
  "half an upload's head": head('/api/upload', MULTIPART),
}

test('what a worker says of itself and the metrics have the same limits', async () => {
  const health = await createWorkerServer({
    originals: { known: async () => new Map() },
    processor: { stats: () => ({}) as never, obstacle: () => null },
    log: createLog('silent'),
    isStopping: () => false,
  })
  const metrics = createMetricsServer({ render: async () => ({ type: 'text/plain', text: 'up 1\n' }) })
  await health.listen({ host: '127.0.0.1', port: 0 })
  const urls = [health.listeningOrigin, (await metrics.listen('127.0.0.1', 0)).url]
  try {
    const clients = await Promise.all(urls.flatMap((url) => [openRaw({ url }), openRaw({ url })]))
    for (const [index, client] of clients.entries()) client.write(index % 2 === 0 ? REQUESTS['half a head']! : half('/healthz'))
    await Promise.all(clients.map((client) => client.untilOver(ENDED_MS.embedded)))
    for (const client of clients) assert.ok(client.statuses().length <= 1)
  } finally {
    await health.close()
    await metrics.close()
  }
})

onEachTopology(
  { LOG_LEVEL: 'error' },
  (calotype) => {
    test(`${CONNECTIONS_EACH} of each kind of request that stops`, async (t) => {
      const [pid] = (await calotype.processes()).values()
      const rssMb = () => processesOfGroup(pid!).find((entry) => entry.pid === pid)!.rssMb
      const held: string[] = []
      const watched = await watch({ pid: pid!, url: calotype.url, rssMb }, async () => {
        await Promise.all(
          Object.entries(REQUESTS).flatMap(([name, text]) =>
            Array.from({ length: CONNECTIONS_EACH }, async () => {
              using client = await openRaw(calotype)
              client.write(text)
              await client.untilOver(ENDED_MS[calotype.topology]).catch(() => held.push(name))
              const refusals = client.statuses().filter((status) => status !== 100)
              assert.ok(refusals.length <= 1, `${name}: ${client.text()}`)
            }),
          ),
        )
      })
      const count = CONNECTIONS_EACH * Object.keys(REQUESTS).length
      tellAttack(t, `${count} requests that stop`, calotype.topology, watched)
      assert.deepEqual([...new Set(held)], [])
      assert.ok(watched.rssPeakMb <= watched.rssBeforeMb + MOST_GROWTH_MB, `${watched.rssPeakMb} MB`)
      assert.ok(watched.descriptorsAfter <= watched.descriptorsBefore + 15, `${watched.descriptorsAfter} descriptors`)
      assert.equal(watched.healthzUnanswered, 0)
    })
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
