// What is delivered more than once is done once: the same job, the same Idempotency-Key, the same bundle.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createLog } from '../../src/log.ts'
import { createBullmqQueue } from '../../src/queue/bullmq.ts'
import { allFinal, upload } from '../support/clients/client.ts'
import { query } from '../support/servers/data-dir.ts'
import { declare, described, sendFiles } from '../support/clients/ledger.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle, tellFigures } from './run/figures.ts'
import { descriptorsOf, onEachTopology } from './run/subject.ts'

const AT_ONCE = 50
const TIMES = 5
const FILES = 6

onEachTopology((topology, open) => {
  test(`the same key ${AT_ONCE} times at once, the same bundle and the same jobs ${TIMES} times`, { timeout: 120_000 }, async (t) => {
    await using subject = await open()
    const { acknowledged } = subject.ledger
    const files = (await smallPhotographs(2 * FILES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
    const [keyed, bundled] = [
      files.slice(0, FILES),
      files.slice(FILES).map((file, index) => ({ index, ...file, bytes: Buffer.from(file.bytes) })),
    ]
    const key = randomUUID()
    await upload(subject, 'batch', keyed, { key })
    const descriptorsBefore = descriptorsOf(subject.server.pid, new URL(subject.url).port)
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => upload(subject, 'batch', keyed, { key })))
    assert.deepEqual([...new Set(answers.map(({ status, text }) => `${status} ${text}`))].length, 1)
    for (const { id, name } of answers[0]!.body.images) acknowledged.set(id, name)

    const { id } = await declare(subject, bundled.map(described))
    const bundles = await Promise.all(Array.from({ length: TIMES }, () => sendFiles(subject, id, bundled)))
    for (const { status, text, body } of bundles) {
      assert.equal(status, 202, text)
      for (const image of body.images) acknowledged.set(image.id, image.name)
    }
    if (topology === 'cluster') {
      // A retried image waits until its hint comes: now it comes five times more.
      const queue = createBullmqQueue({ url: subject.env.REDIS_URL!, log: createLog('error') })
      const jobs = bundled.map(({ bytes, index }) => ({
        sha256: createHash('sha256').update(bytes).digest('hex'),
        batchId: id,
        place: index,
      }))
      for (let time = 0; time < TIMES; time++) await queue.add(jobs)
      await allFinal(subject)
      for (let time = 0; time < TIMES; time++) await queue.add(jobs)
      await queue.close()
    }
    await allFinal(subject)
    // Claimed once, each: an outcome sets the attempts back, so that what was tried twice shows in what children did.
    const rows = await query<{ sha256: string; status: string }>(subject, 'select sha256, status from originals')
    assert.deepEqual([rows.length, rows.filter(({ status }) => status === 'idle').length], [2 * FILES, 2 * FILES])
    tellFigures(t, 'delivered twice', topology, {
      note: `key x ${AT_ONCE}, bundle x ${TIMES}${topology === 'cluster' ? `, jobs x ${2 * TIMES}` : ''}`,
    })
    assertWell(t, 'delivered twice', topology, await settle(subject, { sent: 2 * FILES, descriptorsBefore }))
  })
})
