// Redis hangs while images go in: they are taken all the same, nothing is lost, and all are developed once it is back.
// Longer than by default: `npm test test/cluster/redis-away.test.ts` with REDIS_AWAY_SECONDS=60.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { startCluster } from '../support/servers/cluster.ts'
import { figures, isWell, markedFiles, newLedger, sendAll, settleWithin } from './ledger.ts'

const AWAY_MS = Number(process.env.REDIS_AWAY_SECONDS || 15) * 1_000
const SETTLE_MS = 30_000
/** A machine so slow that the client still sends then has a little longer, after its last upload. */
const AFTER_LAST_MS = 10_000
const SEND_MS = 120_000
/** At the pace of `sendAll`, sending takes longer than Redis is away. */
const IMAGES = Math.max(300, Math.round(AWAY_MS / 50))

test(`Redis hangs for ${AWAY_MS / 1_000} s while images go in: they are acknowledged, and all developed when it is back`, async (t) => {
  await using cluster = await startCluster({ env: { LOG_LEVEL: 'error', SYNC_WAIT_MS: '2000' } })
  const files = await markedFiles('away', IMAGES, 0)
  const ledger = newLedger()
  const sending = sendAll(cluster, files, ledger)
  // Told by what follows.
  sending.catch(() => {})
  await wait(1_000)
  const before = ledger.acknowledged.size
  await cluster.kill('redis', 'SIGSTOP')
  await wait(AWAY_MS)
  const during = ledger.acknowledged.size - before
  await cluster.kill('redis', 'SIGCONT')
  const backAt = performance.now()
  await Promise.race([sending, wait(SEND_MS, undefined, { ref: false })])
  const sentMs = Math.round(performance.now() - backAt)
  const settled = await settleWithin(cluster, cluster.databaseUrl, 'away', IMAGES, ledger, Math.max(AFTER_LAST_MS, SETTLE_MS - sentMs))
  const refused = [...ledger.refused].map(([answer, count]) => `${count} x ${answer}`).join(', ')
  t.diagnostic(
    `Redis away for ${AWAY_MS} ms: ${before} acknowledged before, ${during} meanwhile; ${figures(settled)}; all sent ${sentMs} ms and settled ${Math.round(performance.now() - backAt)} ms after it was back; longest upload ${Math.round(ledger.longestMs)} ms; sent again after ${refused || 'nothing'}`,
  )
  assert.ok(isWell(settled), figures(settled))
  assert.ok(during > 0, 'images were taken while Redis was away')
  assert.equal(ledger.withoutRetryAfter, 0, 'every 429 and 503 says when to come back')
  await sending
})
