// Hundreds of uploads at once through nginx, by a client that is not ours: all are served or told when to come back, none is reset.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { withSmallPhotographs } from '../../bench/cluster/photographs.ts'
import { watchMemory } from '../../bench/load/peak-memory.ts'
import { broken, postAll } from '../../bench/load/post-all.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'

const REQUESTS = 200
const MOST_RSS_MB = 512

let cluster: TestCluster
before(async () => (cluster = await startCluster()))
after(async () => void (await cluster?.stop()))

for (const [what, distinct] of [
  ['one image', 1],
  ['distinct images', REQUESTS],
] as const) {
  test(`${REQUESTS} uploads of ${what} at once all succeed`, async () => {
    await withSmallPhotographs(distinct, async (files) => {
      using memory = watchMemory(cluster.members)
      const outcome = await postAll(cluster.url, files, REQUESTS)
      const peaks = memory.stop()
      assert.deepEqual(broken(outcome), [], JSON.stringify(outcome))
      assert.equal(outcome.answers['200'], REQUESTS)
      assert.equal(outcome.requests, REQUESTS)
      assert.ok(peaks.length >= 6, 'two API servers, two workers and their children')
      assert.deepEqual(
        peaks.filter(({ rssMb }) => rssMb > MOST_RSS_MB),
        [],
      )
    })
  })
}
