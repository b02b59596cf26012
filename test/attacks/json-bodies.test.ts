// Large bodies of JSON, most of them nonsense: what they may cost everybody else, however many come at once.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { ask, type Answer } from '../support/clients/client.ts'
import { openRaw } from '../support/clients/raw-connection.ts'
import { ledgerOf, postDeclaration } from '../support/clients/ledger.ts'
import { startServer, type Server } from '../support/servers/server.ts'
import { onEachTopology } from '../support/servers/topologies.ts'
import { longTest, tellAttack, watch } from './figures.ts'

const MIB = 2 ** 20
const fill = (start: string, unit: string, end: string, bytes = 15 * MIB) => Buffer.from(start + unit.repeat(bytes / unit.length) + end)

/** Each just under 16 MiB, the most that a declaration takes. */
const NONSENSE: Record<string, () => Buffer> = {
  'empty objects': () => fill('{"files":[', '{},', '{}]}'),
  numbers: () => fill('{"files":[', '1,', '1]}'),
  'open brackets': () => fill('', '[', ''),
  'open brackets in a file': () => fill('{"files":[{"a":', '[', '}]}'),
  'open objects': () => fill('', '{"a":', ''),
  'lists beside the files': () => fill('{"other":[', '[],', '[]],"files":[]}'),
  'members beside the files': () => fill('{', '"a":[],', '"files":[]}'),
  blanks: () => fill('{"files":[', ' ', ']}'),
  'one text': () => fill('{"files":[{"size":1,"name":"', 'a', '"}]}'),
  'good files and a wrong end': () => fill('{"files":[', '{"name":"a","size":1},', '1]}', 400_000),
}

const file = (at: number) => ({
  name: `holiday in the north 2026/day ${at % 30}/IMG_${at}.jpg`,
  size: 1_000_000 + at,
  sha256: createHash('sha256').update(String(at)).digest('hex'),
})
const honest = (files: number) => JSON.stringify({ files: Array.from({ length: files }, (_, at) => file(at)) })

/** Sends a body and hears the answer, which may come before all is sent; null where the connection ended without one. */
function send(server: { url: string }, body: Buffer | string): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>()
  const sending = request(`${server.url}/api/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    agent: false,
  })
  sending.on('response', (response) => {
    resolve(response.statusCode ?? null)
    response.resume()
  })
  sending.on('error', () => resolve(null)).on('close', () => resolve(null))
  sending.end(body)
  return promise
}

onEachTopology({}, (server) => {
  test('nonsense is refused at the first thing that is wrong, and the server goes on', async () => {
    for (const [what, body] of Object.entries(NONSENSE)) {
      const startedAt = performance.now()
      const { status, body: answer }: Answer<{ code: string; error: string }> = await ask(server, '/api/batches', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: body(),
      })
      assert.deepEqual([status, answer.code], [400, 'bad_request'], `${what}: ${answer.error}`)
      assert.ok(performance.now() - startedAt < 3_000, what)
    }
  })

  test('the largest honest declaration is taken', async () => {
    const { status, body, text } = await postDeclaration(server, honest(20_000))
    assert.equal(status, 201, text.slice(0, 300))
    assert.equal((await ledgerOf(server, body.id)).needed, 20_000)
  })

  test('a refusal in the middle of a body is there to be read when all of it was sent', async () => {
    for (const path of ['/api/images/delete', '/api/admin/jobs', '/api/auth/login', '/api/batches']) {
      using connection = await openRaw(server, { reads: false })
      const half = 'x'.repeat(10 * MIB)
      const head = ['host: localhost', 'content-type: application/json', `content-length: ${2 * half.length}`, 'connection: close']
      connection.write(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${half}`)
      // Long enough for the answer to be on its way.
      await wait(300)
      connection.write(half)
      await wait(300)
      connection.read()
      await connection.untilOver(20_000)
      assert.equal(connection.statuses().length, 1, path)
      assert.ok(connection.statuses()[0]! >= 400, path)
    }
  })

  test('other addresses take no large bodies', async () => {
    for (const [path, body] of [
      ['/api/images/delete', `{"ids":[${'1,'.repeat(100_000)}1]}`],
      ['/api/admin/queue/pause', `{"minutes":1,"reason":"${'a'.repeat(100_000)}"}`],
    ] as const) {
      const { status } = await ask(server, path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      assert.equal(status, 413, path)
    }
    const fields = Array.from({ length: 400_000 }, (_, at) => `${at.toString(36)}=`).join('&')
    const startedAt = performance.now()
    const { status } = await ask(server, '/api/images/archive', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: fields,
    })
    assert.equal(status, 400)
    assert.ok(performance.now() - startedAt < 500)
  })
})

describe('many large bodies at once', () => {
  async function attack(atOnce: number, bodies: Buffer[]) {
    const server: Server = await startServer({ env: { LOG_LEVEL: 'warn' } })
    try {
      const answers: Record<string, number> = {}
      const watched = await watch(
        server,
        async () => {
          const sent = await Promise.all(Array.from({ length: atOnce }, (_, at) => send(server, bodies[at % bodies.length]!)))
          for (const status of sent) answers[String(status)] = (answers[String(status)] ?? 0) + 1
          await wait(500)
        },
        { settleMs: 1_000 },
      )
      return { watched, answers }
    } finally {
      await server.stop()
    }
  }

  test('let everybody else be answered, and memory be', async () => {
    const { watched, answers } = await attack(
      10,
      Object.values(NONSENSE).map((body) => body()),
    )
    assert.equal(answers['400'], 10, JSON.stringify(answers))
    assert.equal(watched.healthzUnanswered, 0)
    assert.ok(watched.healthzP99Ms < 1_000, JSON.stringify(watched))
    assert.ok(watched.rssPeakMb - watched.rssBeforeMb < 150, JSON.stringify(watched))
  })

  for (const what of ['empty objects', 'open brackets', 'open brackets in a file', 'lists beside the files', 'one text']) {
    longTest(`40 bodies of 16 MiB: ${what}`, async (t) => {
      const { watched, answers } = await attack(40, [NONSENSE[what]!()])
      tellAttack(t, `40 × 16 MiB of JSON, ${what}`, 'embedded', watched, `answers ${JSON.stringify(answers)}`)
      assert.ok(watched.healthzP99Ms < 300, JSON.stringify(watched))
      assert.ok(watched.rssPeakMb - watched.rssBeforeMb < 200, JSON.stringify(watched))
    })
  }

  longTest('40 of the largest honest declarations', async (t) => {
    const { watched, answers } = await attack(40, [Buffer.from(honest(20_000))])
    tellAttack(t, '40 declarations of 20,000 files', 'embedded', watched, `answers ${JSON.stringify(answers)}`)
    assert.ok(watched.rssPeakMb - watched.rssBeforeMb < 400, JSON.stringify(watched))
  })
})
