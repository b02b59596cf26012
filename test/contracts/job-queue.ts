// What every job queue guarantees; run on each adapter.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job, JobQueue } from '../../src/queue/job-queue.ts'

export const batchOf = (batchId: string, length: number): Job[] =>
  Array.from({ length }, (_, place) => ({ batchId, place, sha256: `${batchId}${place}` }))

/** As `batch/hash`. */
export const named = (jobs: Job[]) => jobs.map(({ batchId, sha256 }) => `${batchId}/${sha256}`)

/** Takes until there are `count`. Each time no more than asked for, or than a chunk. */
async function takeAll(queue: JobQueue, count: number, { most, chunk }: { most: number; chunk: number }): Promise<Job[]> {
  const taken: Job[] = []
  while (taken.length < count) {
    const jobs = await queue.take(most)
    assert.ok(jobs.length > 0 && jobs.length <= Math.max(most, chunk), `${jobs.length} taken`)
    taken.push(...jobs)
  }
  return taken
}

/** `create` gives a new, empty queue each time; `chunk` is how many hints of a batch it keeps together. */
export function jobQueueContract(create: () => Promise<JobQueue>, { chunk }: { chunk: number }): void {
  const queueTest = (name: string, body: (queue: JobQueue) => Promise<void>): void => {
    void test(name, async () => {
      const queue = await create()
      try {
        await body(queue)
      } finally {
        await queue.close()
      }
    })
  }

  queueTest('hints come out in the order of their batch, no more than asked for', async (queue) => {
    const jobs = batchOf('a', 3 * chunk)
    await queue.add(jobs)
    assert.equal(await queue.depth(), 3)
    assert.deepEqual(named(await takeAll(queue, 3 * chunk, { most: 1, chunk })), named(jobs))
    assert.equal(await queue.depth(), 0)
  })

  queueTest('batches take turns: a single upload does not wait for the 5,000 before it', async (queue) => {
    await queue.add(batchOf('large', 5_000))
    await queue.take(4)
    await queue.add(batchOf('single', 1))
    const next = [...(await queue.take(1)), ...(await queue.take(1))]
    assert.ok(named(next).includes('single/single0'), `taken next: ${named(next).join(' ')}`)
  })

  queueTest('every batch gets its share, however many there are', async (queue) => {
    for (const name of ['a', 'b', 'c']) await queue.add(batchOf(name, 10 * chunk))
    const taken = await takeAll(queue, 3 * 4 * chunk, { most: 3, chunk })
    for (const name of ['a', 'b', 'c']) assert.equal(taken.filter(({ batchId }) => batchId === name).length, 4 * chunk)
  })

  queueTest('a batch does not wait twice for the same original; another batch does for itself', async (queue) => {
    const same = (batchId: string, place: number) => ({ batchId, place, sha256: 'same' })
    await queue.add([same('a', 0), same('a', 1), same('b', 0)])
    assert.equal(await queue.depth(), 2)
    assert.deepEqual(named(await takeAll(queue, 2, { most: 9, chunk })).sort(), ['a/same', 'b/same'])
    assert.equal(await queue.depth(), 0)
  })

  queueTest('dropping a batch takes nothing from its neighbours', async (queue) => {
    await queue.add([...batchOf('a', 10), ...batchOf('b', 2)])
    await queue.drop('a')
    await queue.drop('unknown')
    const taken: string[] = []
    while (!taken.includes('b/b1')) taken.push(...named(await queue.take(1)))
    assert.ok(taken.includes('b/b0'))
  })

  queueTest('a taker waits for work, and is told when there will be none', async (queue) => {
    const waiting = queue.take(2)
    await queue.add(batchOf('late', 1))
    assert.deepEqual(named(await waiting), ['late/late0'])
    const last = queue.take(2)
    await queue.close()
    assert.deepEqual(await last, [])
    assert.deepEqual(await queue.take(2), [])
  })

  queueTest('taking ends for good, also for who waits; what is given back then is kept', async (queue) => {
    await queue.add(batchOf('a', 1))
    await queue.take(1)
    const waiting = queue.take(1)
    await queue.endTaking()
    assert.deepEqual(await waiting, [])
    await queue.endTaking()
    await queue.add(batchOf('a', 1))
    assert.deepEqual(await queue.take(1), [])
    assert.equal(await queue.depth(), 1)
  })

  queueTest('nothing to add is nothing to take', async (queue) => {
    await queue.add([])
    assert.equal(await queue.depth(), 0)
  })
}
