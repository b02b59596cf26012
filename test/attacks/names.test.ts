// Names as long as a header takes: what they may cost in memory, on the disk, in lists, in searches and in the live feed.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { ApiEvents } from '../../src/api/events.ts'
import type { ApiImage } from '../../src/api/images.ts'
import { ask, END_OF_PARTS, part, post } from '../support/clients/client.ts'
import { postDeclaration } from '../support/clients/ledger.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { longTest, tellAttack, watch, type Watched } from './figures.ts'

const MAX_NAME_BYTES = 1024
const MAX_HEADER_BYTES = 8 * 1024
const CONTROL = '\u0001'
const picture = await smallPhotograph({ seed: 1 })

const named = (name: string) => part('images', name, picture)
const uploadNamed = (server: { url: string }, names: string[], path = '/api/async/upload') =>
  post(server, { path, body: Buffer.concat([...names.map(named), END_OF_PARTS]) })

/** Names that are as long as they may be, each another one, and six times as long in JSON. */
const controlNames = (count: number) =>
  Array.from({ length: count }, (_, at) => `${CONTROL.repeat(MAX_NAME_BYTES - 6)}${String(at).padStart(6, '0')}`)

onEachTopology({ EVENT_HISTORY: '2000' }, (server) => {
  test('a name beyond 1,024 bytes is cut between characters and keeps its extension', async () => {
    for (const [name, kept] of [
      [`${'x'.repeat(1020)}.jpg`, `${'x'.repeat(1020)}.jpg`],
      [`${'x'.repeat(1021)}.jpg`, `${'x'.repeat(1017)}….jpg`],
      [`${'写'.repeat(1500)}.jpeg`, `${'写'.repeat(338)}….jpeg`],
      ['🌅'.repeat(500), `${'🌅'.repeat(255)}…`],
      [CONTROL.repeat(5_000), `${CONTROL.repeat(1021)}…`],
      ['\uFFFF'.repeat(400), `${'\uFFFF'.repeat(255)}…`],
    ] as const) {
      const { status, body, text } = await uploadNamed(server, [name])
      assert.equal(status, 202, text.slice(0, 200))
      assert.equal(body.images[0]!.name, kept)
      assert.equal((await ask<ApiImage>(server, `/api/images/${body.images[0]!.id}`)).body.name, kept)
    }
  })

  test('a part whose header is longer than 8 KiB is refused, and only that', async () => {
    const padded = Buffer.from(
      named('padded.jpg')
        .toString('latin1')
        .replace('\r\n\r\n', `\r\nx-padding: ${'p'.repeat(MAX_HEADER_BYTES)}\r\n\r\n`),
      'latin1',
    )
    const body = Buffer.concat([named('a.jpg'), named(`${'n'.repeat(MAX_HEADER_BYTES)}.jpg`), padded, named('b.jpg'), END_OF_PARTS])
    const { status, body: answer, text } = await post(server, { path: '/api/async/upload', body })
    assert.equal(status, 202, text.slice(0, 200))
    assert.deepEqual(
      answer.images.map(({ name }) => name),
      ['a.jpg', 'b.jpg'],
    )
    assert.deepEqual(
      answer.rejected.map(({ code, index }) => [code, index]),
      [
        ['names_too_long', 1],
        ['names_too_long', 2],
      ],
    )
    assert.ok(answer.rejected.every(({ name }) => Buffer.byteLength(name) <= MAX_NAME_BYTES))
  })

  test('a field that is named at length is not repeated at length', async () => {
    const body = Buffer.concat([named('a.jpg'), part('f'.repeat(4_000), 'b.jpg', picture), END_OF_PARTS])
    const { body: answer } = await post(server, { path: '/api/async/upload', body })
    assert.equal(answer.rejected[0]?.code, 'wrong_field')
    assert.ok(answer.rejected[0].error.length < 300, String(answer.rejected[0].error.length))
  })

  test('a longer name is refused where it is declared, and so are names that weigh too much together', async () => {
    const file = (name: string) => ({ name, size: 5 })
    const taken = await postDeclaration(server, { files: [file('n'.repeat(MAX_NAME_BYTES))] })
    assert.equal(taken.status, 201, taken.text)
    for (const name of ['n'.repeat(MAX_NAME_BYTES + 1), '写'.repeat(342), '\0'.repeat(257)]) {
      const { status, body } = await postDeclaration(server, { files: [file('a.jpg'), file(name)] })
      assert.deepEqual([status, body.code], [400, 'bad_request'])
      assert.match(body.error, /"files\/1\/name".*1024 bytes/)
    }
    const all = await postDeclaration(server, { files: controlNames(2_000).map(file) })
    assert.deepEqual([all.status, all.body.code], [413, 'names_too_long'])
  })

  test('the names of one upload weigh so much at most', async () => {
    const { status, body } = await uploadNamed(server, controlNames(450))
    assert.deepEqual([status, body.code], [413, 'names_too_long'])
  })

  test('pages of lists, and of the live feed by polling, are bounded by their bytes, and nothing is left out', async () => {
    const { last } = (await ask<ApiEvents>(server, '/api/events')).body
    const names = controlNames(300)
    for (let at = 0; at < names.length; at += 75) assert.equal((await uploadNamed(server, names.slice(at, at + 75))).status, 202)
    const seen = new Set<string>()
    let pages = 0
    for (let url: string | undefined = '/api/images?sort=name&limit=1000'; url !== undefined; pages++) {
      const { status, text, headers, body }: Awaited<ReturnType<typeof ask<ApiImage[]>>> = await ask<ApiImage[]>(server, url)
      assert.equal(status, 200, text.slice(0, 200))
      assert.ok(text.length < 1.5 * 1024 * 1024, `a page of ${text.length} bytes`)
      for (const { name } of body) seen.add(name)
      url = /<([^>]+)>; rel="next"/.exec(String(headers.link))?.[1]
    }
    assert.ok(pages > 1, 'one page held them all')
    assert.ok(names.every((name) => seen.has(name)))

    const heard = new Set<string>()
    for (let since = last, more = true; more;) {
      const { text, body } = await ask<ApiEvents>(server, `/api/events?since=${since}`)
      assert.ok(text.length < 1.5 * 1024 * 1024, `events of ${text.length} bytes`)
      for (const { name } of body.events) heard.add(name)
      more = body.events.length > 0
      since = body.last
    }
    assert.ok(names.every((name) => heard.has(name)))
  })
})

/** As the attack was found: so many files with names as long as may be, in as many requests as it takes. */
async function flood(server: Server, files: number, name: (at: number) => string): Promise<Record<number, number>> {
  const answers: Record<number, number> = {}
  for (let at = 0; at < files; at += 250) {
    const names = Array.from({ length: Math.min(250, files - at) }, (_, i) => name(at + i))
    const { status } = await uploadNamed(server, names, '/api/async/batch/upload')
    answers[status] = (answers[status] ?? 0) + 1
  }
  return answers
}

async function tookMs(action: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await action()
  return Math.round(performance.now() - startedAt)
}

describe('a flood of names', () => {
  async function attack(files: number, name: (at: number) => string, settleMs = 10_000) {
    await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
    let answers = {}
    const watched: Watched = await watch(server, async () => void (answers = await flood(server, files, name)), { settleMs })
    const batchesMs = await tookMs(() => ask(server, '/api/batches?limit=100'))
    // A search that finds nothing looks at every name that may have it.
    const searching = ask(server, `/api/images?limit=1000&q=${encodeURIComponent(`${'ab'.repeat(90)}c`)}`)
    const besideMs = await tookMs(() => ask(server, '/api/list?limit=1'))
    await searching
    const mb = Math.round(statSync(join(server.dataDir, 'calotype.sqlite')).size / 1e6)
    return { watched, batchesMs, besideMs, mb, answers }
  }

  test('costs about what they weigh', async () => {
    const { watched, batchesMs, besideMs } = await attack(250, (at) => `${'ab'.repeat(4_000)}${at}.jpg`, 0)
    assert.ok(watched.rssPeakMb - watched.rssBeforeMb < 150, JSON.stringify(watched))
    assert.ok(batchesMs < 1_000 && besideMs < 1_000, `${batchesMs} ms, ${besideMs} ms`)
  })

  for (const [what, name] of [
    ['of 60 KB', (at: number) => `${'ab'.repeat(30_000)}${at}.jpg`],
    ['of 8 KB', (at: number) => `${'ab'.repeat(4_000)}c${at}.jpg`],
    ['of U+0001', (at: number) => `${CONTROL.repeat(8_000)}${at}.jpg`],
  ] as const) {
    longTest(`5,000 names ${what}`, async (t) => {
      const { watched, batchesMs, besideMs, mb, answers } = await attack(5_000, name)
      tellAttack(
        t,
        `names ${what}`,
        'embedded',
        watched,
        `answers ${JSON.stringify(answers)}; database ${mb} MB; GET /api/batches ${batchesMs} ms; a list beside a search ${besideMs} ms`,
      )
      assert.ok(watched.rssPeakMb - watched.rssBeforeMb < 400, JSON.stringify(watched))
      assert.ok(watched.healthzP99Ms < 500, `${watched.healthzP99Ms} ms`)
      assert.ok(batchesMs < 1_000 && besideMs < 1_000, `${batchesMs} ms, ${besideMs} ms`)
      assert.ok(mb < 150, `${mb} MB`)
    })
  }
})
