// Requests that two readers could understand in two ways, through nginx and straight to an API server: what nginx lets through we read
// as it does, so that no request hides in another. Malformed bodies by the thousand are in test/journeys/bad-input/hostile.test.ts.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { allFinal, listImages } from '../support/clients/client.ts'
import { type TestCluster, startCluster } from '../support/servers/cluster.ts'
import { sendBody, wholeForm, WRAPPINGS } from '../support/hostile/bodies.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { diceFrom } from '../support/inputs/random.ts'

const SEED = 1

let cluster: TestCluster
let files: Buffer[]
before(async () => {
  cluster = await startCluster({ workers: 1, env: { UPLOAD_IDLE_TIMEOUT_MS: '5000' } })
  files = await Promise.all([1, 2].map((seed) => smallPhotograph({ seed })))
})
after(async () => assert.equal(await cluster?.stop(), 0))

/** 501 is what nginx says of a transfer coding it does not know. */
const isRefusalOrSuccess = (status: number) => (status >= 200 && status < 500) || status === 501

const ids = async () => new Set((await listImages(cluster)).map(({ id }) => id))

describe('behind nginx', () => {
  for (const [name, wrap] of Object.entries(WRAPPINGS)) {
    test(name, async () => {
      const before = await ids()
      const { answers, closed } = await sendBody(cluster.url, { bytes: wrap(wholeForm(files), diceFrom(SEED)) })
      const acknowledged = answers.flatMap(({ json }) => (json?.images ?? []).map(({ id }) => id))
      assert.ok(answers.length > 0 || closed, 'neither an answer nor an end')
      for (const { status, text } of answers) assert.ok(isRefusalOrSuccess(status), `${status} ${text.slice(0, 200)}`)
      await allFinal(cluster)
      const now = await ids()
      // Nothing was deleted by a request that hid in another, and nothing was taken that nobody was told of.
      assert.deepEqual(new Set([...before, ...acknowledged]), now)
    })
  }

  test('what has a length and chunks never reaches us as two requests', async () => {
    const hidden = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const bytes = Buffer.from(
      `POST /api/async/upload HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: ${5 + hidden.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    )
    for (const url of [cluster.url, cluster.members.find(({ name }) => name === 'api-1')!.url!.replace(/\/$/, '')]) {
      const { answers } = await sendBody(url, { bytes })
      assert.equal(answers.filter(({ status }) => status < 300).length, 0, JSON.stringify(answers))
    }
  })
})
