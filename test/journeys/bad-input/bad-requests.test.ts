// Requests that should never have been sent: each gets its clear answer, harms nobody, and leaves nothing behind.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { badInput } from '../../support/inputs/bad-input.ts'
import { BOUNDARY, END_OF_PARTS, ENDPOINTS, eventually, MULTIPART, part, post, upload, watch } from '../../support/clients/client.ts'
import { smallPhotograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

onEachTopology({ UPLOAD_IDLE_TIMEOUT_MS: '1000' }, (server) => {
  const bad = badInput(server)

  describe('the form', () => {
    test('a form without the field', async () => {
      const body = Buffer.concat([part('title', null, 'holiday'), END_OF_PARTS])
      for (const { path } of Object.values(ENDPOINTS)) await bad.refused(await post(server, { path, body }), 400, 'no_file')
    })

    test('a file in another field', async () => {
      const file = { name: 'a.jpg', bytes: await smallPhotograph({ seed: 1 }), field: 'photo' }
      for (const endpoint of ['sync', 'async', 'batch'] as const) {
        await bad.refused(await upload(server, endpoint, [file]), 400, 'wrong_field', /photo/)
      }
    })

    test('no files', async () => {
      for (const endpoint of ['sync', 'async', 'batch'] as const) await bad.refused(await upload(server, endpoint, []), 400, 'no_file')
    })

    test('no body at all', async () => {
      await bad.refused(await post(server, { path: '/api/upload', body: Buffer.alloc(0) }), 400, 'malformed_multipart')
    })

    test('a file input that nobody filled in', async () => {
      const body = Buffer.concat([part('images', '', ''), END_OF_PARTS])
      await bad.refused(await post(server, { path: '/api/async/upload', body }), 400, 'no_file')
    })

    test('an empty file', async () => {
      await bad.refused(await bad.single('empty.jpg', ''), 400, 'empty_file')
    })

    test('two files for the endpoint that takes one', async () => {
      const [one, two] = (await smallPhotographs(2)) as [Buffer, Buffer]
      const answer = await upload(server, 'sync', [
        { name: 'one.jpg', bytes: one },
        { name: 'two.jpg', bytes: two },
      ])
      await bad.refused(answer, 400, 'one_file_only')
    })

    test('1,001 text fields', async () => {
      const fields = Array.from({ length: 1_001 }, (_, index) => part(`field-${index}`, null, 'text'))
      const body = Buffer.concat([...fields, part('image', 'a.jpg', await smallPhotograph({ seed: 1 })), END_OF_PARTS])
      await bad.refused(await post(server, { path: '/api/upload', body }), 400, 'too_many_fields')
    })

    test('1,000 text fields are no harm', async () => {
      const fields = Array.from({ length: 1_000 }, (_, index) => part(`field-${index}`, null, 'text'))
      const body = Buffer.concat([...fields, part('image', 'a.jpg', await smallPhotograph({ seed: 1 })), END_OF_PARTS])
      assert.equal((await post(server, { path: '/api/upload', body })).status, 200)
    })

    test('a text field of a megabyte', async () => {
      const body = Buffer.concat([
        part('note', null, 'n'.repeat(1_000_000)),
        part('image', 'a.jpg', await smallPhotograph({ seed: 1 })),
        END_OF_PARTS,
      ])
      assert.equal((await post(server, { path: '/api/upload', body })).status, 200)
    })

    test('a JSON body', async () => {
      const body = Buffer.from('{"image":"aGVsbG8="}')
      const answer = await post(server, { path: '/api/upload', body, headers: { 'content-type': 'application/json' } })
      await bad.refused(answer, 415, 'not_multipart')
    })

    test('multipart without a boundary', async () => {
      const answer = await post(server, { path: '/api/upload', body: END_OF_PARTS, headers: { 'content-type': 'multipart/form-data' } })
      await bad.refused(answer, 415, 'not_multipart')
    })

    test('a compressed body', async () => {
      const body = Buffer.concat([part('image', 'a.jpg', await smallPhotograph({ seed: 1 })), END_OF_PARTS])
      await bad.refused(
        await post(server, { path: '/api/upload', body, headers: { 'content-encoding': 'br' } }),
        415,
        'unsupported_encoding',
      )
    })

    test('a boundary that is never closed', async () => {
      const file = await smallPhotograph({ seed: 2 })
      const bodies = [
        part('images', 'a.jpg', file),
        part('images', 'a.jpg', file).subarray(0, 10_000),
        Buffer.concat([part('images', 'a.jpg', file), Buffer.from(`--${BOUNDARY}`)]),
      ]
      for (const body of bodies) {
        await bad.refused(await post(server, { path: '/api/async/upload', body }), 400, 'malformed_multipart')
      }
    })

    test('a part whose header cannot be read, or is missing: not passed over in silence', async () => {
      const whole = part('images', 'a.jpg', await smallPhotograph({ seed: 1 }))
      const bytes = whole.subarray(whole.indexOf('\r\n\r\n'))
      const heads = [
        '',
        '\r\nnonsense',
        '\r\n: form-data; name="images"; filename="b.jpg"',
        '\r\ncontent-type: image/jpeg',
        '\r\ncontent-disposition: attachment; name="images"; filename="b.jpg"',
        '\r\ncontent-disposition: form-data; name="images"; filename="b\n.jpg"',
      ]
      for (const head of heads) {
        const broken = Buffer.concat([Buffer.from(`--${BOUNDARY}${head}`), bytes])
        for (const parts of [[whole, broken], [broken, whole], [broken]]) {
          const body = Buffer.concat([...parts, END_OF_PARTS])
          await bad.refused(await post(server, { path: '/api/async/upload', body }), 400, 'malformed_multipart')
        }
      }
      const cutOff = Buffer.concat([Buffer.from(`--${BOUNDARY}\r\ncontent-disposition: form-data; name="images"\r\n`), whole, END_OF_PARTS])
      await bad.refused(await post(server, { path: '/api/async/upload', body: cutOff }), 400, 'malformed_multipart')
    })

    test('a part whose headers never end', async () => {
      const body = Buffer.from(
        `--${BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\nx: ${'y'.repeat(1_000_000)}`,
      )
      await bad.refused(await post(server, { path: '/api/upload', body }), 400, 'malformed_multipart')
    })

    test('bytes that are no multipart', async () => {
      await bad.refused(await post(server, { path: '/api/upload', body: Buffer.alloc(100_000, 'abc\r\n') }), 400, 'malformed_multipart')
    })
  })

  const head = (path: string, length: number) =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${MULTIPART}\r\ncontent-length: ${length}\r\n\r\n`

  describe('refused while more of the body is to come', () => {
    /** A connection on which so many files were sent, and not yet the rest of the body. */
    async function sendFiles(count: number) {
      const files = (await smallPhotographs(count, { seed: 6 })).map((bytes) => part('image', 'a.jpg', bytes))
      const rest = Buffer.concat([Buffer.alloc(100_000, 'x'), END_OF_PARTS])
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.write(head('/api/upload', Buffer.concat([...files, rest]).length))
      socket.write(Buffer.concat(files))
      return { socket, rest, text: () => text, [Symbol.dispose]: () => socket.destroy() }
    }

    for (const { why, files, afterMs, status } of [
      { why: 'one_file_only', files: 2, afterMs: 300, status: 400 },
      { why: 'upload_timeout', files: 1, afterMs: 1_500, status: 408 },
    ]) {
      test(`what still comes is read, and the connection takes the next request: ${why}`, async () => {
        using sent = await sendFiles(files)
        await wait(afterMs)
        sent.socket.write(sent.rest)
        sent.socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
        const answers = () => sent.text().match(/HTTP\/1\.1 \d+/g)
        await eventually('both are answered', async () => answers()?.length === 2, 3_000)
        assert.deepEqual(answers(), [`HTTP/1.1 ${status}`, 'HTTP/1.1 200'])
        assert.ok(sent.text().includes(why), sent.text())
      })
    }

    test('what does not come is waited for a while, then the connection is closed with the answer', async () => {
      using sent = await sendFiles(2)
      await eventually('it is closed', async () => sent.socket.readableEnded, 8_000)
      assert.match(sent.text(), /^HTTP\/1\.1 400[^]*one_file_only/)
    })
  })

  describe('a body that ends too soon', () => {
    async function hangUpAfter(path: string, body: Buffer, length: number) {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.on('error', () => {})
      socket.write(head(path, body.length))
      // Time for the first files to be recorded, so that there is something to undo.
      await new Promise((resolve) => socket.write(body.subarray(0, length), resolve))
      await wait(400)
      socket.destroy()
      await wait(100)
    }

    test('cut off in the middle of a file', async () => {
      const body = Buffer.concat([part('image', 'a.jpg', await smallPhotograph({ seed: 3 })), END_OF_PARTS])
      await hangUpAfter('/api/upload', body, body.length / 2)
      await bad.leavesNoRow()
    })

    test('cut off in the 60th of 80 files', async () => {
      using watching = await watch(server)
      const ids = (status: string) => watching.messages.filter((message) => message.status === status).map(({ id }) => id)
      const files = (await smallPhotographs(80, { seed: 4_000 })).map((bytes, index) => part('images', `${index}.jpg`, bytes))
      const body = Buffer.concat([...files, END_OF_PARTS])
      await hangUpAfter('/api/async/batch/upload', body, Buffer.concat(files.slice(0, 60)).length - 1_000)
      await eventually(
        'what was recorded is aborted',
        async () => ids('aborted').length > 0 && ids('aborted').length === ids('pending').length,
      )
      assert.deepEqual(ids('aborted').sort(), ids('pending').sort())
      await bad.leavesNoRow()
    })

    test('silent for too long', async () => {
      const body = part('image', 'a.jpg', await smallPhotograph({ seed: 5 })).subarray(0, 5_000)
      const answer = await post(server, {
        path: '/api/upload',
        body: (async function* () {
          yield body
          await wait(1_500)
        })(),
      })
      await bad.refused(answer, 408, 'upload_timeout')
    })
  })
})
