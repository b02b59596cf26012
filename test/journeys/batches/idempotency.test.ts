// Uploads that are sent again under their Idempotency-Key: the answer of the first, and nothing taken twice.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Answer, type Endpoint, eventually, listImages, upload, type Uploaded } from '../../support/clients/client.ts'
import { filesIn } from '../../support/servers/data-dir.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const ALL: Endpoint[] = ['sync', 'async', 'batch']
onEachTopology({}, (server) => {
  let seed = 0

  /** Files nobody sent before: one for the endpoint that takes one, else three. */
  async function newFiles(endpoint: Endpoint) {
    const photographs = await smallPhotographs(endpoint === 'sync' ? 1 : 3, { seed: (seed += 10) })
    return photographs.map((bytes, index) => ({ name: `${seed}-${index}.jpg`, bytes }))
  }
  const count = async () => (await listImages(server)).length
  const said = ({ status, text }: Answer<Uploaded>) => ({ status, text })

  for (const endpoint of ALL) {
    test(`${endpoint}: the same content again gets the same answer, word for word`, async () => {
      const [key, files] = [randomUUID(), await newFiles(endpoint)]
      const first = await upload(server, endpoint, files, { key })
      assert.equal(first.status, endpoint === 'sync' ? 200 : 202, first.text)
      const rows = await count()
      for (let again = 0; again < 3; again++) assert.deepEqual(said(await upload(server, endpoint, files, { key })), said(first))
      assert.equal(await count(), rows)
      // What is being developed has files there, too.
      await eventually('nothing is left aside', async () => (await filesIn(server.dataDir, 'tmp')).length === 0)
    })

    test(`${endpoint}: 20 at once are one upload`, async () => {
      const [key, files] = [randomUUID(), await newFiles(endpoint)]
      const rows = await count()
      const answers = await Promise.all(Array.from({ length: 20 }, () => upload(server, endpoint, files, { key })))
      assert.equal(answers[0]!.status, endpoint === 'sync' ? 200 : 202, answers[0]!.text)
      for (const answer of answers) assert.deepEqual(said(answer), said(answers[0]!))
      assert.equal(await count(), rows + files.length)
    })

    test(`${endpoint}: other content under the same key is a conflict`, async () => {
      const [key, files] = [randomUUID(), await newFiles(endpoint)]
      await upload(server, endpoint, files, { key })
      const rows = await count()
      const renamed = files.map(({ bytes }) => ({ name: 'renamed.jpg', bytes }))
      const other = await newFiles(endpoint)
      for (const content of [other, renamed]) {
        const { status, body } = await upload(server, endpoint, content, { key })
        assert.deepEqual([status, body.code], [409, 'idempotency_conflict'])
      }
      assert.equal(await count(), rows)
    })
  }

  test('the same files at another endpoint are a conflict', async () => {
    const [key, files] = [randomUUID(), await newFiles('async')]
    await upload(server, 'async', files, { key })
    const { status, body } = await upload(server, 'batch', files, { key })
    assert.deepEqual([status, body.code], [409, 'idempotency_conflict'])
  })

  test('an image that failed fails the same way again, and is not tried twice', async () => {
    const [file] = await newFiles('sync')
    const [key, files] = [randomUUID(), [{ name: 'broken.jpg', bytes: file!.bytes.subarray(0, 3_000) }]]
    const first = await upload(server, 'sync', files, { key })
    assert.equal(first.status, 422)
    assert.deepEqual(said(await upload(server, 'sync', files, { key })), said(first))
  })

  test('an upload that came to nothing gives its key back', async () => {
    for (const endpoint of ALL) {
      const key = randomUUID()
      assert.equal((await upload(server, endpoint, [{ name: 'a.jpg', bytes: Buffer.from('text') }], { key })).status, 415)
      const good = await upload(server, endpoint, await newFiles(endpoint), { key })
      assert.ok(good.status < 300, good.text)
    }
  })

  test('without a key, or under another one, it is another upload', async () => {
    const files = await newFiles('sync')
    const rows = await count()
    await upload(server, 'sync', files)
    await upload(server, 'sync', files)
    await upload(server, 'sync', files, { key: randomUUID() })
    assert.equal(await count(), rows + 3)
  })

  test('a key that is none', async () => {
    const { status, body } = await upload(server, 'sync', await newFiles('sync'), { key: 'k'.repeat(256) })
    assert.deepEqual([status, body.code], [400, 'bad_request'])
  })

  test('keys outlive a restart', async () => {
    const uploads = await Promise.all(ALL.map(async (endpoint) => ({ endpoint, key: randomUUID(), files: await newFiles(endpoint) })))
    const sendAll = async () => {
      const answers = []
      for (const { endpoint, key, files } of uploads) answers.push(said(await upload(server, endpoint, files, { key })))
      return { answers, images: (await listImages(server)).length }
    }
    const before = await sendAll()
    await server.shutDown()
    await server.startAgain()
    assert.deepEqual(await sendAll(), before)
  })
})
