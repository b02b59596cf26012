// What the log of a journey says, and what it must not: JSON lines that name the image, and nothing of who sent it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { ask, END_OF_PARTS, eventually, MULTIPART, part, post, type Uploaded } from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'

interface Line {
  level: string
  time: string
  msg: string
  pid: number
  reqId?: string
  image?: string | string[]
  batch?: string
  sha256?: string
  code?: string
  taken?: number
  rejected?: Record<string, number>
}

const linesOf = (output: string) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)

test('a journey at info: lines of JSON with the ids of images, and no header of a request', async () => {
  await using server = await startServer({ env: { WORKER_CONCURRENCY: '1', LOG_LEVEL: 'info' } })
  const [photograph] = await smallPhotographs(1, { seed: 91 })
  const secrets = {
    authorization: 'Bearer secret-of-the-header',
    cookie: 'session=secret-of-the-cookie',
    'user-agent': 'secret-of-the-agent',
    'x-forwarded-for': '203.0.113.77',
    referer: 'http://127.0.0.1/secret-of-the-page',
  }
  const send = (path: string, ...parts: Buffer[]) =>
    post<Uploaded>(server, { path, headers: { 'content-type': MULTIPART, ...secrets }, body: Buffer.concat([...parts, END_OF_PARTS]) })
  const good = await send('/api/upload?secret=of-the-query', part('image', 'good.jpg', photograph!))
  assert.equal(good.status, 200, good.text)
  const mixed = await send(
    '/api/async/batch/upload',
    part('images', 'damaged.jpg', photograph!.subarray(0, 2_000)),
    part('images', 'notes.txt', 'no image'),
  )
  assert.equal(mixed.status, 202, mixed.text)
  assert.equal((await ask(server, '/api/images/none?email=someone@example.org', { headers: secrets })).status, 404)
  const damaged = mixed.body.images[0]!.id

  const lines = await eventually('the damaged image is logged', async () => {
    const found = linesOf(server.output())
    return found.some(({ msg }) => msg === 'image failed') && found
  })
  const [first, second] = lines.filter(({ msg }) => msg === 'upload taken')
  assert.deepEqual([first!.level, first!.image, first!.taken, first!.rejected], ['info', good.body.image.id, 1, {}])
  assert.deepEqual([second!.image, second!.batch, second!.rejected], [damaged, mixed.body.job_id, { unsupported_format: 1 }])
  assert.match(first!.reqId!, /./)
  assert.notEqual(first!.reqId, second!.reqId)
  const failed = lines.filter(({ msg }) => msg === 'image failed')
  assert.deepEqual(
    failed.map(({ level, image, batch, code }) => [level, image, batch, code]),
    [['info', damaged, mixed.body.job_id, 'invalid_image']],
  )
  assert.match(failed[0]!.sha256!, /^[0-9a-f]{64}$/)

  assert.equal(await server.stop(), 0)
  const said = server.output()
  // All that is no line of JSON is what stdout says at the start.
  const others = said.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  assert.ok(
    others.every((line) => /^(Calotype is ready|page |api |data )/.test(line)),
    others.join('\n'),
  )
  assert.doesNotMatch(said, /secret|203\.0\.113\.77|example\.org/i)
  assert.ok(linesOf(said).every(({ level, time, pid }) => ['info', 'warn'].includes(level) && !Number.isNaN(Date.parse(time)) && pid > 0))
})

test('of an error the log keeps what finds the fault, not what a library hung on it', () => {
  const program = `
    const { createLog } = await import('./src/log.ts')
    const log = createLog('info')
    const cause = Object.assign(new Error('inner'), { code: 'ECONNREFUSED', command: { name: 'auth', args: ['secret-password'] } })
    const error = Object.assign(new Error('outer', { cause }), { $metadata: { httpStatusCode: 503 }, $response: { headers: { cookie: 'secret' } } })
    log.error({ err: error }, 'failed')
    log.info({ req: { method: 'GET', url: '/api/list?key=secret', headers: { cookie: 'secret' }, ip: 'secret' } }, 'request')
    log.info({ headers: { any: 'secret' }, user: { email: 'secret', authorization: 'secret' }, password: 'secret' }, 'by mistake')
    log.child({ reqId: 'req-1' }).warn({ err: 'a text' }, 'a text')
    log.warn({ err: { whatever: 'secret' } }, 'no error at all')`
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.doesNotMatch(stderr, /secret/)
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { err?: { type: string; status: number; stack: string; cause: { code: string } }; req?: object })
  assert.equal(lines.length, 5)
  const { err } = lines[0]!
  assert.deepEqual([err!.type, err!.status, err!.cause.code], ['Error', 503, 'ECONNREFUSED'])
  assert.match(err!.stack, /^Error: outer\n {4}at /)
  assert.deepEqual(lines[1]!.req, { method: 'GET', path: '/api/list' })
})
