// The live feed by polling: who can't watch hears the same, wherever a proxy sends each question.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiError } from '../../src/api/errors.ts'
import type { ApiEvents, ApiNotification } from '../../src/api/events.ts'
import { ask, eventually, upload, watch } from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { onEachTopology } from '../support/servers/topologies.ts'

const FILES = 20

onEachTopology({}, (server) => {
  async function poll(query: { since?: string; limit?: number } = {}): Promise<ApiEvents> {
    const parameters = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]))
    const { status, headers, body, text } = await ask<ApiEvents>(server, `/api/events?${parameters}`)
    assert.equal(status, 200, text)
    assert.equal(headers['cache-control'], 'no-store')
    return body
  }

  /** Polls on from `since` until so many images are final. */
  async function pollUntilFinal(since: string, images: number, limit: number): Promise<ApiNotification[]> {
    const heard: ApiNotification[] = []
    let last = since
    await eventually(
      `${images} images are final`,
      async () => {
        const answer = await poll({ since: last, limit })
        assert.equal(answer.resync, false)
        assert.ok(answer.events.length <= limit)
        assert.equal(answer.last, answer.events.at(-1)?.seq ?? last)
        heard.push(...answer.events)
        last = answer.last
        return heard.filter(({ status }) => status === 'completed' || status === 'error').length === images
      },
      60_000,
    )
    return heard
  }

  async function uploadSome(seed: number) {
    const pictures = await smallPhotographs(FILES, { seed })
    pictures[0] = pictures[0]!.subarray(0, 5_000)
    const { status, text } = await upload(
      server,
      'batch',
      pictures.map((bytes, at) => ({ name: `${at}.jpg`, bytes })),
    )
    assert.equal(status, 202, text)
  }

  test('one that polls and one that watches hear the same', async () => {
    using watching = await watch(server)
    const { events, last, resync } = await poll()
    assert.deepEqual([events, resync], [[], false])
    await uploadSome(1)
    const heard = await pollUntilFinal(last, FILES, 7)
    await eventually('the watcher has heard as much', async () => watching.messages.length >= heard.length)
    assert.deepEqual(heard, watching.messages)
    assert.deepEqual((await poll({ since: last })).events, heard, 'all at once')
    assert.deepEqual((await poll({ since: heard[4]!.seq, limit: 3 })).events, heard.slice(5, 8))
    const end = heard.at(-1)!.seq
    assert.deepEqual(await poll({ since: end }), { events: [], last: end, resync: false })
    await eventually('every server is as far', async () => (await poll()).last === end)
  })

  test('what is not known any more, or never was, says so, and where to go on', async () => {
    const { last } = await poll()
    const [epoch, n] = [last.slice(0, last.lastIndexOf('.')), Number(last.slice(last.lastIndexOf('.') + 1))]
    for (const since of ['', 'nonsense', `other.${n}`, `1.${n}`, `${epoch}.${n + 1_000}`, `${epoch}.-1`, 'x'.repeat(2_000)]) {
      const answer = await poll({ since })
      assert.deepEqual(answer, { events: [], last, resync: true }, since.slice(0, 40))
    }
    await uploadSome(100)
    await pollUntilFinal(last, FILES, 1_000)
  })

  test('a stop and a start: a server alone begins anew, a cluster goes on', async () => {
    const { last } = await poll()
    await server.shutDown()
    await server.startAgain()
    const answer = await poll({ since: last })
    assert.deepEqual(answer.events, [])
    assert.equal(answer.resync, server.topology === 'embedded')
    if (server.topology === 'cluster') assert.equal(answer.last, last)
    else assert.notEqual(answer.last, last)
    await uploadSome(200)
    await pollUntilFinal(answer.last, FILES, 1_000)
  })

  test('a limit that makes no sense is refused', async () => {
    for (const question of ['limit=0', 'limit=1001', 'limit=many', 'since=a&since=b']) {
      const { status, body } = await ask<ApiError>(server, `/api/events?${question}`)
      assert.deepEqual([status, body.code], [400, 'bad_request'], question)
    }
  })
})
