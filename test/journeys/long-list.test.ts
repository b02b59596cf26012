// A list of 100,000 images: sent whole without holding it, and by pages of which the last is as quick as the first.
// Embedded alone: its rows are written into the database of DATA_DIR, and it is about the memory of the one server.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { ApiImage } from '../../src/api/images.ts'
import { ask } from '../support/clients/client.ts'
import { folderOfImages } from '../support/servers/many-images.ts'
import { growthDuring } from '../support/servers/memory.ts'
import { type Server, startServer } from '../support/servers/server.ts'

const IMAGES = 100_000
const MOST_GROWTH_MB = 100
const TRIES = 9
let server: Server
let dataDir: string

before(async () => {
  dataDir = await folderOfImages(IMAGES)
  server = await startServer({ dataDir })
})
after(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

test('whole', async (t) => {
  let images: ApiImage[] = []
  const startedAt = performance.now()
  const growth = await growthDuring(server, async () => {
    images = (await ask<ApiImage[]>(server, '/api/list')).body
  })
  t.diagnostic(`the server grew by ${growth.toFixed(0)} MB in ${(performance.now() - startedAt).toFixed(0)} ms`)
  assert.equal(images.length, IMAGES)
  images.forEach(({ name }, index) => assert.equal(name, `${index}.jpg`))
  assert.ok(growth <= MOST_GROWTH_MB, `${growth} MB`)
})

test('the last page is about as quick as the first', async (t) => {
  const next = (link: unknown) => /cursor=([^>&]+)/.exec(String(link))?.[1]
  let cursor: string | undefined
  for (let page = 1; page <= IMAGES / 1_000 - 1; page++) {
    const { headers } = await ask(server, `/api/list?limit=1000${cursor ? `&cursor=${cursor}` : ''}`)
    cursor = next(headers['link'])
  }
  // From the last thousand to the last hundred.
  cursor = next((await ask(server, `/api/list?limit=900&cursor=${cursor}`)).headers['link'])

  const times = { first: [] as number[], last: [] as number[] }
  for (let again = 0; again < TRIES; again++) {
    for (const page of ['first', 'last'] as const) {
      const startedAt = performance.now()
      const { body, headers } = await ask<ApiImage[]>(server, `/api/list?limit=100${page === 'last' ? `&cursor=${cursor}` : ''}`)
      times[page].push(performance.now() - startedAt)
      assert.equal(body.length, 100)
      assert.equal(headers['link'] === undefined, page === 'last')
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[(TRIES - 1) / 2]!
  const [first, last] = [median(times.first), median(times.last)]
  t.diagnostic(`first page ${first.toFixed(1)} ms, last page ${last.toFixed(1)} ms`)
  assert.ok(last < 10 * first + 50)
})
