// Many requests on one connection, and none of the answers read: memory and descriptors stay bounded, a minute later they are back, and who
// reads has every answer.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { test } from 'node:test'
import { ask, eventually, upload } from '../support/clients/client.ts'
import { photograph } from '../support/inputs/photographs.ts'
import { processesOfGroup } from '../support/servers/processes.ts'
import { get, openRaw, type RawConnection } from '../support/clients/raw-connection.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { longTest, ROUNDS, tellAttack, watch } from './figures.ts'

const CONNECTIONS = 3
const REQUESTS = ROUNDS === null ? 300 : 1_000
const MANY_CONNECTIONS = 50
// Sockets, and one file for each; a few of the server's own come and go.
const MOST_DESCRIPTORS = 2 * CONNECTIONS + 15
const MOST_GROWTH_MB = 100
/** What Node has read of each connection is parsed at once, up to 64 KiB; those beyond the room for waiting requests are ended only then. */
const MOST_GROWTH_OF_MANY_MB = 250
/** A write that makes no progress ends after 60 to 80 s, at nginx and at the server; before that, what the kernel's buffers hold is sent. */
const STALLED_MS = 80_000
const ENDED_MS = 240_000

onEachTopology(
  { LOG_LEVEL: 'error' },
  (calotype) => {
    let developed: Promise<string> | undefined
    const image = () =>
      (developed ??= (async () => {
        const bytes = await photograph({ seed: 1, megapixels: 1 })
        const { status, body, text } = await upload(calotype, 'sync', [{ name: 'a.jpg', bytes }])
        assert.equal(status, 200, text)
        return body.image.image!
      })())

    async function asset(): Promise<string> {
      const { text } = await ask(calotype, '/')
      const [, path] = /src="(\/assets\/[^"]+\.js)"/.exec(text) ?? []
      assert.ok(path, 'the page names a script')
      return path
    }

    /** The process that answers, or one of them. */
    async function answering() {
      const [pid] = (await calotype.processes()).values()
      const rssMb = () => processesOfGroup(pid!).find((entry) => entry.pid === pid)!.rssMb
      return { pid: pid!, url: calotype.url, rssMb }
    }

    async function pipeline(path: string, connections: number, requests: number): Promise<RawConnection[]> {
      const clients = await Promise.all(Array.from({ length: connections }, () => openRaw(calotype, { reads: false })))
      for (const client of clients) client.write(get(path).repeat(requests))
      return clients
    }

    for (const [what, pathOf] of [
      ['a developed image', image],
      ['a file of the page', asset],
    ] as const) {
      test(`${CONNECTIONS} connections with ${REQUESTS} requests each for ${what}`, async (t) => {
        const path = await pathOf()
        let clients: RawConnection[] = []
        const watched = await watch(
          await answering(),
          async () => {
            clients = await pipeline(path, CONNECTIONS, REQUESTS)
            await wait(3_000)
          },
          { settleMs: 0 },
        )
        tellAttack(t, `${CONNECTIONS} × ${REQUESTS} of ${what}, not read`, calotype.topology, watched)
        for (const client of clients) client.read()
        await eventually('every request is answered', async () => clients.every((client) => client.statuses().length === REQUESTS), 120_000)
        assert.ok(clients.every((client) => client.statuses().every((status) => status === 200)))
        for (const client of clients) client.leave()
        assert.ok(watched.descriptorsPeak <= watched.descriptorsBefore + MOST_DESCRIPTORS, `${watched.descriptorsPeak} descriptors`)
        assert.ok(watched.rssPeakMb <= watched.rssBeforeMb + MOST_GROWTH_MB, `${watched.rssPeakMb} MB`)
      })

      longTest(`${MANY_CONNECTIONS} connections that never read ${what} are ended`, async (t) => {
        const path = await pathOf()
        const server = await answering()
        const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length
        const before = descriptors()
        let clients: RawConnection[] = []
        const watched = await watch(server, async () => {
          clients = await pipeline(path, MANY_CONNECTIONS, REQUESTS)
          await wait(STALLED_MS)
          await eventually('their descriptors are back', async () => descriptors() <= before + MOST_DESCRIPTORS, ENDED_MS)
        })
        tellAttack(t, `${MANY_CONNECTIONS} × ${REQUESTS} of ${what}, never read`, calotype.topology, watched)
        for (const client of clients) client.leave()
        assert.ok(watched.rssPeakMb <= watched.rssBeforeMb + MOST_GROWTH_OF_MANY_MB, `${watched.rssPeakMb} MB`)
        assert.equal(watched.healthzUnanswered, 0)
      })
    }
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
