// Every member of the cluster is killed in the middle of many images, one at a time: nothing acknowledged is lost, twice or stuck.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { ask, eventually } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { ROUNDS } from '../support/long-form.ts'
import { figures, isWell, markedFiles, newLedger, sendAll, settleWithin } from './ledger.ts'

/** Those of the short form take the cluster several seconds as well. */
const IMAGES = ROUNDS === null ? 150 : 300
/** So many are acknowledged when the fault comes. */
const FAULT_AFTER_IMAGES = IMAGES / 3
const DOWN_MS = 1_000
/** After the repair, everything is final. A machine so slow that the client still sends then has a little longer, after its last upload. */
const SETTLE_MS = 30_000
const AFTER_LAST_MS = 10_000
const SEND_MS = 120_000

let cluster: TestCluster
before(async () => {
  cluster = await startCluster({ env: { LOG_LEVEL: 'error' } })
})
after(async () => {
  await cluster.stop()
})

async function kill(name: string): Promise<void> {
  await cluster.kill(name)
  await wait(DOWN_MS)
  await cluster.start(name)
}

async function restart(name: string): Promise<void> {
  await cluster.restart(name)
}

async function flushRedis(): Promise<void> {
  const redis = new Redis(cluster.redisUrl)
  try {
    await redis.flushall()
  } finally {
    redis.disconnect()
  }
}

const FAULTS: [mark: string, what: string, fault: () => Promise<void>][] = [
  ['worker', 'a worker is killed', () => kill('worker-1')],
  ['api', 'an API server is killed', () => kill('api-1')],
  ['redis', 'Redis is killed', () => kill('redis')],
  ['flushed', 'Redis loses everything', flushRedis],
  ['postgres', 'PostgreSQL is killed', () => kill('postgres')],
  ['pgbouncer', 'PgBouncer is restarted', () => restart('pgbouncer')],
  ['nginx', 'nginx is restarted', () => restart('nginx')],
]

for (const [at, [mark, what, fault]] of FAULTS.entries()) {
  test(`${what} in the middle of ${IMAGES} images: nothing is lost, duplicated or stuck`, async (t) => {
    const files = await markedFiles(mark, IMAGES, at * IMAGES)
    const ledger = newLedger()
    const sending = sendAll(cluster, files, ledger)
    // Told by what follows.
    sending.catch(() => {})
    await eventually('a third is acknowledged', async () => ledger.acknowledged.size >= FAULT_AFTER_IMAGES, 60_000)
    await fault()
    const repairedAt = performance.now()
    await Promise.race([sending, wait(SEND_MS, undefined, { ref: false })])
    const sentMs = Math.round(performance.now() - repairedAt)
    const leftMs = Math.max(AFTER_LAST_MS, SETTLE_MS - sentMs)
    const settled = await settleWithin(cluster, cluster.databaseUrl, mark, IMAGES, ledger, leftMs)
    const settledMs = Math.round(performance.now() - repairedAt)
    const refused = [...ledger.refused].map(([answer, count]) => `${count} x ${answer}`).join(', ')
    t.diagnostic(
      `${what}: ${figures(settled)}; all sent ${sentMs} ms and settled ${settledMs} ms after the repair; longest upload ${Math.round(ledger.longestMs)} ms; sent again after ${refused || 'nothing'}`,
    )
    assert.ok(isWell(settled), figures(settled))
    assert.equal(ledger.withoutRetryAfter, 0, 'every 429 and 503 says when to come back')
    await sending
    for (const { url } of [cluster, await cluster.member('api-1'), await cluster.member('api-2')])
      assert.equal((await ask({ url: url! }, '/readyz')).status, 200)
  })
}
