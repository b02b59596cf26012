// Declarations of batches: what they take, how what is wrong with them is said, and that they can be repeated.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { send } from '../../support/clients/accounts.ts'
import { ask, eventually, upload } from '../../support/clients/client.ts'
import { query } from '../../support/servers/data-dir.ts'
import { failingFiles } from '../../support/inputs/failing-files.ts'
import {
  countsOf,
  declare,
  described,
  filesOf,
  finished,
  ledgerOf,
  postDeclaration,
  sendBundles,
  sendFiles,
} from '../../support/clients/ledger.ts'
import { smallPhotograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const file = (name: string, size = 1_000) => ({ name, size })

onEachTopology({}, (server) => {
  const batches = async () => (await query<{ n: number }>(server, 'select count(*) as n from batches'))[0]!.n

  test('what is wrong is named, the first of it, and nothing is kept', async () => {
    const good = Array.from({ length: 10_000 }, (_, at) => file(`${at}.jpg`))
    const before = await batches()
    const wrong: [body: unknown, says: RegExp][] = [
      [null, /The body is not valid/],
      ['{"files":[', /not valid JSON/],
      ['', /not valid JSON/],
      [[], /The body is not valid/],
      [{}, /"files" in the body/],
      [{ files: 'all' }, /"files" in the body/],
      [{ files: [] }, /"files" in the body/],
      [{ files: [...good, { name: 'x' }] }, /"files\/10000\/size" in the body/],
      [{ files: [file('a'), { ...file('b'), size: -1 }, { name: 7 }] }, /"files\/1\/size"/],
      [{ files: [{ ...file('a'), size: 1.5 }] }, /"files\/0\/size"/],
      [{ files: [{ ...file('a'), size: '5' }] }, /"files\/0\/size"/],
      [{ files: [{ ...file('a'), size: 2 ** 60 }] }, /"files\/0\/size"/],
      [{ files: [{ size: 5 }] }, /"files\/0\/name"/],
      [{ files: [{ ...file('a'), sha256: 'A'.repeat(64) }] }, /"files\/0\/sha256".*64 lower-case/],
      [{ files: [{ ...file('a'), sha256: 'ab' }] }, /"files\/0\/sha256"/],
      [{ files: good.map(() => ({})) }, /"files\/0\/name"/],
      [{ files: [file('a'), 7] }, /"files\/1" in the body/],
      [{ files: [[file('a')]] }, /"files\/0" in the body/],
      ['{"files":[{"name":"a","size":1} {"name":"b","size":1}]}', /not valid JSON/],
      ['{"files":[{"name":"a","size":1},]}', /not valid JSON/],
      ['{"files":[{"name":"a","size":01}]}', /not valid JSON/],
      ['{"files":[{"name":"a","size":1}]', /not valid JSON/],
      ['{"files":[{"name":"a","size":1}]}}', /not valid JSON/],
      ['{"files":[{"name":"a","size":1}],"files":[]}', /twice/],
      [`{"files":[{"name":"a","size":1,"more":${'['.repeat(20)}${']'.repeat(20)}}]}`, /too deep/],
      [{ files: [{ ...file('a'), more: 'x'.repeat(20_000) }] }, /"files\/0" in the body is larger/],
      [{ files: [file('a')], more: 'x'.repeat(70_000) }, /more than this call takes/],
    ]
    for (const [body, says] of wrong) {
      const answer = await postDeclaration(server, body)
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad_request'], answer.text)
      assert.match(answer.body.error, says)
    }
    assert.equal(await batches(), before)
  })

  test('too many files, too large a body, another type', async () => {
    const many = await postDeclaration(server, { files: Array.from({ length: 20_001 }, () => file('a')) })
    assert.deepEqual([many.status, many.body.code], [413, 'too_many_files'])
    assert.match(many.body.error, /20000/)
    const large = await postDeclaration(server, `{"files":[{"name":"${'a'.repeat(16 * 1024 * 1024)}","size":1}]}`)
    assert.deepEqual([large.status, large.body.code], [413, 'file_too_large'])
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=a']) {
      const other = await postDeclaration(server, { files: [file('a')] }, { 'content-type': type })
      assert.deepEqual([other.status, other.body.code], [415, 'not_json'], type)
    }
    const elsewhere = await postDeclaration(server, { files: [file('a')] }, { origin: 'https://elsewhere.example' })
    assert.deepEqual([elsewhere.status, elsewhere.body.code], [403, 'origin_not_allowed'])
    const { status, headers } = await ask(server, '/api/batches', { method: 'DELETE' })
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, POST'])
  })

  test('what a program says besides, and however it writes its JSON, is no matter', async () => {
    const named = JSON.stringify({ name: 'a "quoted" [name] {of} \\ 写.jpg', size: 5, folder: { files: [{ name: 'x' }] } })
    for (const body of [
      `{"files":[${named}]}`,
      `\n{ "source" : {"files":[1,2]} ,\t"files"  :\r\n [ ${named}\n ] , "x" : [[],{"files":[7]}] } `,
      `{"fil\\u0065s":[${named}],"\\"files":[]}`,
    ]) {
      const { status, body: answer, text } = await postDeclaration(server, body)
      assert.equal(status, 201, text)
      assert.deepEqual(
        (await filesOf(server, answer.id, 'all')).map(({ name, size }) => [name, size]),
        [['a "quoted" [name] {of} \\ 写.jpg', 5]],
      )
    }
  })

  test('a body of 10 MB is no harm', async () => {
    const files = Array.from({ length: 10_000 }, (_, at) => file(`${'folder/'.repeat(144)}${at}.jpg`))
    assert.ok(JSON.stringify({ files }).length > 10_000_000)
    const { id } = await declare(server, files)
    assert.equal((await ledgerOf(server, id)).needed, 10_000)
    const [last] = (await filesOf(server, id, 'needed')).slice(-1)
    assert.equal(last?.name, files.at(-1)!.name)
  })

  test('names are kept as they are', async () => {
    const names = ['a/b/../c.jpg', 'O\'Brien "x" \0 \u202E🌅.jpg', '', ' ', '\uFFFF0.jpg', 'CON', '日本語.png']
    const photographs = await smallPhotographs(names.length, { seed: 90_000 })
    const files = names.map((name, index) => ({ index, name, bytes: photographs[index]! }))
    const { id } = await declare(server, files.map(described))
    assert.deepEqual(
      (await filesOf(server, id, 'needed')).map(({ name }) => name),
      names,
    )
    // Whatever they are called on their way.
    await sendBundles(
      server,
      id,
      files.map((one) => ({ ...one, name: 'on-its-way.jpg' })),
    )
    await finished(server, id)
    assert.deepEqual(
      (await filesOf(server, id, 'all')).map(({ name, image }) => [name, image?.name]),
      names.map((name) => [name, name]),
    )
  })

  test('more files than a form has fields come in one request', async () => {
    // They are only to come: nothing is developed of them.
    const files = failingFiles(1_200).map(({ name, bytes }, index) => ({ index, name, bytes: Buffer.from(bytes) }))
    const { id } = await declare(server, files.map(described))
    const { status, body, text } = await sendFiles(server, id, files)
    assert.equal(status, 202, text)
    assert.equal(body.images.length, 1_200)
    assert.equal((await ledgerOf(server, id)).needed, 0)
  })

  test('the same declaration again under its key gets the same answer, word for word', async () => {
    const [bytes] = (await smallPhotographs(1, { seed: 92_000 })) as [Buffer]
    await upload(server, 'sync', [{ name: 'here.jpg', bytes }])
    const [key, files] = [randomUUID(), [described({ name: 'known.jpg', bytes }), file('new.jpg'), file('empty.jpg', 0)]]
    const before = await batches()
    const send = () => postDeclaration(server, { files }, { 'idempotency-key': key })
    const answers = await Promise.all(Array.from({ length: 10 }, send))
    assert.deepEqual(
      answers[0]!.body.files.map(({ state }) => state),
      ['known', 'needed', 'rejected'],
    )
    for (const { status, text, headers } of [...answers, await send()]) {
      assert.deepEqual([status, text, headers.location], [201, answers[0]!.text, answers[0]!.headers.location])
    }
    assert.equal(await batches(), before + 1)
    for (const other of [files.slice(1), [...files, file('more.jpg')], files.toReversed()]) {
      const { status, body } = await postDeclaration(server, { files: other }, { 'idempotency-key': key })
      assert.deepEqual([status, body.code], [409, 'idempotency_conflict'])
    }
    const photographs = await upload(server, 'batch', [{ name: 'a.jpg', bytes }], { key })
    assert.deepEqual([photographs.status, photographs.body.code], [409, 'idempotency_conflict'])
    const none = await postDeclaration(server, { files }, { 'idempotency-key': 'k'.repeat(256) })
    assert.deepEqual([none.status, none.body.code], [400, 'bad_request'])
    const again = await postDeclaration(server, { files })
    assert.notEqual(again.body.id, answers[0]!.body.id)
  })

  test('a known file whose original is still being developed is completed with it', async () => {
    const bytes = await smallPhotograph({ seed: 93_000 })
    const { body } = await upload(server, 'async', [{ name: 'first.jpg', bytes }])
    const { id, files } = await declare(server, [described({ name: 'second.jpg', bytes })])
    assert.equal(files[0]?.state, 'known')
    assert.deepEqual(countsOf(await finished(server, id)), { completed: 1 })
    // The bytes stay when the first goes.
    await ask(server, `/api/images/${body.images[0]!.id}`, { method: 'DELETE' })
    const [{ image } = { image: null }] = await filesOf(server, id, 'completed')
    await eventually('it is served', async () => (await fetch(server.url + image!.image!)).ok)
  })
})

onEachTopology({ MAX_PENDING: '1', WORKER_CONCURRENCY: '1' }, (server) => {
  test('beyond MAX_PENDING a declaration is sent away, until there is room', async () => {
    // However fast the workers are, what is sent waits.
    assert.equal((await send(server, 'POST', '/api/admin/queue/pause', { minutes: 60 })).status, 200)
    const sent = (await smallPhotographs(4, { seed: 94_000 })).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
    const { body } = await upload(server, 'batch', sent)
    const refused = await eventually('the server is full', async () => {
      const answer = await postDeclaration(server, { files: [file('a.jpg')] })
      return answer.status === 503 ? answer : false
    })
    assert.equal(refused.body.code, 'overloaded')
    assert.ok(Number(refused.headers['retry-after']) > 0)
    assert.equal((await send(server, 'POST', '/api/admin/queue/resume', undefined)).status, 200)
    await finished(server, body.job_id)
    await eventually('there is room', async () => (await postDeclaration(server, { files: [file('a.jpg')] })).status === 201)
  })
})
