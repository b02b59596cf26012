// Redis without memory for another byte, or away for a minute: uploads go on, and what waits is developed once it is well.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { sendAll } from '../cluster/ledger.ts'
import { ask, eventually } from '../support/clients/client.ts'
import { longTest } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const FILES = 30
const AWAY_MS = 60_000

onEachTopology(
  (topology, open, engines) => {
    const newFiles = async () => (await smallPhotographs(FILES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))

    test('Redis is out of memory', { timeout: 180_000 }, async (t) => {
      await using subject = await open()
      const redis = new Redis(engines().redisUrl)
      try {
        const [, policy] = (await redis.config('GET', 'maxmemory-policy')) as [string, string]
        assert.equal(policy, 'noeviction')
        await redis.config('SET', 'maxmemory', '1')
        await assert.rejects(redis.set('anything', 'x'), /OOM/)
        const files = await newFiles()
        // Sync uploads would each wait for an outcome: one that is not done in time has been taken all the same.
        const sending = sendAll(subject, files, subject.ledger)
        await eventually('uploads are acknowledged all the while', async () => subject.ledger.acknowledged.size >= FILES / 2, 60_000)
        const { body } = await ask<{ images: number }>(subject, '/api/images/count?status=pending')
        await redis.config('SET', 'maxmemory', '0')
        await sending
        t.diagnostic(`${body.images} waited`)
        assertWell(t, 'Redis out of memory', topology, await settle(subject, { sent: FILES }))
      } finally {
        await redis.config('SET', 'maxmemory', '0')
        redis.disconnect()
      }
    })

    longTest(`Redis is ${AWAY_MS / 1000} s away`, async (t) => {
      await using subject = await open()
      await engines().kill('redis')
      const sending = sendAll(subject, await newFiles(), subject.ledger)
      await wait(AWAY_MS)
      await engines().start('redis')
      await sending
      assertWell(t, 'Redis 60 s away', topology, await settle(subject, { sent: FILES }))
    })
  },
  ['cluster'],
)
