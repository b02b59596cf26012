// Memory is bounded by settings, not by what is sent: many files and a large one, watched from outside.
// Embedded alone: it is about the memory of the one server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { END_OF_PARTS, part, post } from '../support/clients/client.ts'
import { growthDuring } from '../support/servers/memory.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'

const MOST_GROWTH_MB = 150

test('2,000 files of 100 KB in one request', async (t) => {
  await using server = await startServer()
  async function* body() {
    for (let seed = 0; seed < 2_000; seed++) yield part('images', `${seed}.jpg`, await smallPhotograph({ seed, bytes: 100_000 }))
    yield END_OF_PARTS
  }
  const growth = await growthDuring(server, async () => {
    const { status, body: answer, text } = await post(server, { path: '/api/async/batch/upload', body: body() })
    assert.equal(status, 202, text.slice(0, 300))
    assert.equal(answer.images.length, 2_000)
  })
  t.diagnostic(`the server grew by ${growth.toFixed(0)} MB`)
  assert.ok(growth <= MOST_GROWTH_MB, `${growth} MB`)
})

test('one file of 64 MB', async (t) => {
  await using server = await startServer()
  const file = part('image', 'large.jpg', await smallPhotograph({ seed: 1, bytes: 64 * 1024 * 1024 }))
  async function* body() {
    for (let at = 0; at < file.length; at += 65_536) yield file.subarray(at, at + 65_536)
    yield END_OF_PARTS
  }
  const growth = await growthDuring(server, async () => {
    const { status, body: answer, text } = await post(server, { path: '/api/upload', body: body() })
    assert.equal(status, 200, text)
    assert.equal(answer.image.size, 64 * 1024 * 1024)
  })
  t.diagnostic(`the server grew by ${growth.toFixed(0)} MB`)
  assert.ok(growth <= MOST_GROWTH_MB, `${growth} MB`)
})
