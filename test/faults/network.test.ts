// Bad networks: slow clients, bodies that end in the middle, resets, silence, and thousands of watchers that only hold their sockets.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { sendUnit } from '../cluster/ledger.ts'
import { ask, eventually } from '../support/clients/client.ts'
import { longTest, ROUNDS } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle, tellFigures } from './run/figures.ts'
import { listen, sendHalfAHeader, sendSlowly, type Ending } from './run/slow-clients.ts'
import { clientsOf, descriptorsOf, onEachTopology } from './run/subject.ts'

const CLIENTS = ROUNDS === null ? 60 : 200
const WATCHERS = ROUNDS === null ? 300 : 5_000
const BYTES_PER_SECOND = ROUNDS === null ? 20_000 : 5_000
const IDLE_MS = 3_000
/** Half of them come to their end. */
const ENDINGS: Ending[] = ['whole', 'aborted', 'whole', 'reset', 'whole', 'closed in half', 'whole', 'silent']
/** HEADERS_TIMEOUT_MS, and how often Node looks. */
const HEADERS_GIVEN_UP_MS = 100_000

onEachTopology(
  (topology, open) => {
    test(`${CLIENTS} clients at ${BYTES_PER_SECOND / 1000} KB/s, half of which break off`, { timeout: 300_000 }, async (t) => {
      await using subject = await open({ env: { UPLOAD_IDLE_TIMEOUT_MS: String(IDLE_MS) } })
      const port = new URL(subject.url).port
      await ask(subject, '/readyz')
      const descriptorsBefore = descriptorsOf(subject.server.pid, port)
      const files = (await smallPhotographs(CLIENTS)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
      const answers = await Promise.all(
        files.map(async (file, index) => {
          const ending = ENDINGS[index % ENDINGS.length]!
          return { ending, ...(await sendSlowly(subject, [file], { bytesPerSecond: BYTES_PER_SECOND, ending })) }
        }),
      )
      const of = (ending: Ending) => answers.filter((answer) => answer.ending === ending)
      for (const { status, body } of of('whole')) {
        assert.equal(status, 202, JSON.stringify(body))
        for (const { id, name } of body!.images!) subject.ledger.acknowledged.set(id, name)
      }
      for (const { status, body } of of('silent')) assert.deepEqual([status, body?.code], [408, 'upload_timeout'])
      for (const { status } of of('closed in half')) assert.ok(status === 400 || status === 0, String(status))
      await eventually('no connection is left', async () => clientsOf(subject.server.pid, port).length <= 1, 20_000)
      const counts = Object.fromEntries([...new Set(ENDINGS)].map((ending) => [ending, of(ending).length]))
      tellFigures(t, 'network', topology, { note: JSON.stringify(counts) })
      assertWell(
        t,
        'slow, aborted, reset, silent clients',
        topology,
        await settle(subject, { sent: of('whole').length, descriptorsBefore }),
      )
    })

    test(`${WATCHERS} watchers hold their sockets while uploads go on`, { timeout: 300_000 }, async (t) => {
      const limit = Number(execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim().replace('unlimited', 'Infinity'))
      assert.ok(
        limit > WATCHERS + 1_000,
        `${WATCHERS} sockets need as many descriptors, and there may be ${limit}: ulimit -n ${WATCHERS + 2_000}`,
      )
      await using subject = await open()
      await ask(subject, '/readyz')
      const port = new URL(subject.url).port
      const descriptorsBefore = descriptorsOf(subject.server.pid, port)
      const files = (await smallPhotographs(6)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
      {
        using listeners = await listen(subject, WATCHERS)
        assert.equal(listeners.greeted(), WATCHERS)
        const rssMb = Math.round(subject.server.rssMb(subject.server.pid))
        const startedAt = performance.now()
        for (const file of files) await sendUnit(subject, { endpoint: 'sync', files: [file] }, subject.ledger)
        const uploadMs = Math.round((performance.now() - startedAt) / files.length)
        const [last] = [...subject.ledger.acknowledged].at(-1)!
        await eventually('all have heard of the last one', async () => listeners.heard(last) === WATCHERS, 60_000)
        tellFigures(t, 'network', topology, { note: `${WATCHERS} watchers, ${rssMb} MB, ${uploadMs} ms an upload` })
      }
      await eventually('their sockets are gone', async () => clientsOf(subject.server.pid, port).length <= 8, 30_000)
      assertWell(t, 'idle watchers', topology, await settle(subject, { sent: files.length, descriptorsBefore }))
    })

    longTest('headers that never end are given up', async () => {
      await using subject = await open()
      const late = wait(HEADERS_GIVEN_UP_MS, -1, { ref: false })
      for (const status of await Promise.all(Array.from({ length: 20 }, () => Promise.race([sendHalfAHeader(subject), late]))))
        assert.ok(status === 408 || status === 0, String(status))
    })
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
