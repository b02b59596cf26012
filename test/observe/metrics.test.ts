// The figures of a real server: right after uploads of every kind, bounded whatever is asked for, and not there unless wanted.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { ask, allFinal, eventually, upload, watch } from '../support/clients/client.ts'
import { metricsUrl, scrape } from '../support/clients/metrics.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer, type Server } from '../support/servers/server.ts'

let server: Server
let metrics: string

before(async () => {
  server = await startServer({ env: { METRICS_PORT: '0', WORKER_CONCURRENCY: '1' } })
  metrics = metricsUrl(server.output())
})
after(() => server?.stop())

test('counts requests, files, bytes, images and steps of uploads that are good, bad and refused', async () => {
  const [good, other] = await smallPhotographs(2, { seed: 71 })
  const damaged = good!.subarray(0, 2_000)
  const taken = await upload(server, 'batch', [
    { name: 'good.jpg', bytes: good! },
    { name: 'other.jpg', bytes: other! },
    { name: 'damaged.jpg', bytes: damaged },
    { name: 'notes.txt', bytes: Buffer.from('no image at all') },
    { name: 'empty.jpg', bytes: Buffer.alloc(0) },
  ])
  assert.equal(taken.status, 202, taken.text)
  const refused = await upload(server, 'async', [{ name: 'notes.txt', bytes: Buffer.from('no image') }])
  assert.equal(refused.status, 415)
  await allFinal(server)

  const now = await eventually('the last image is counted', async () => {
    const found = await scrape(metrics)
    return (found.value('calotype_images_total') ?? 0) >= 3 && found
  })
  const route = '/api/async/batch/upload'
  assert.equal(now.value('calotype_http_requests_total', { route, method: 'POST', status: '202' }), 1)
  assert.equal(now.value('calotype_http_requests_total', { route: '/api/async/upload', method: 'POST', status: '415' }), 1)
  assert.equal(now.value('calotype_http_request_duration_seconds_count', { route }), 1)
  const bytes = good!.length + other!.length + damaged.length
  assert.equal(now.value('calotype_files_received_total'), 3)
  assert.equal(now.value('calotype_file_bytes_total'), bytes)
  assert.equal(now.value('calotype_files_rejected_total', { code: 'unsupported_format' }), 2)
  assert.equal(now.value('calotype_files_rejected_total', { code: 'empty_file' }), 1)
  const received = now.value('calotype_http_received_bytes_total')!
  assert.ok(received > bytes && received < bytes + 20_000, `${received} of ${bytes}`)
  assert.equal(now.value('calotype_images_total', { status: 'completed' }), 2)
  assert.equal(now.value('calotype_images_total', { status: 'error', code: 'invalid_image' }), 1)
  for (const step of ['receive', 'store', 'queue_wait', 'process', 'finish'])
    assert.equal(now.value('calotype_step_duration_seconds_count', { step }), 3, step)
  assert.ok(now.value('calotype_step_duration_seconds_count', { step: 'record' })! >= 1)
  assert.equal(now.value('calotype_step_duration_seconds_count', { step: 'store_outputs' }), 4)
  assert.equal(now.value('calotype_event_lag_seconds_count'), 3)
  assert.equal(now.value('calotype_images_in_hand'), 0)
  assert.equal(now.value('calotype_children'), 1)
  assert.equal(now.value('calotype_child_restarts_total'), 0)
  assert.equal(now.value('calotype_database_connections'), 2)
  assert.equal(now.value('calotype_database_waiting'), 0)
  assert.ok(now.value('calotype_database_statements_total', { outcome: 'done' })! > 10)
  assert.ok(now.value('calotype_blob_operation_duration_seconds_count', { operation: 'put' })! >= 7)
  assert.equal(now.value('calotype_info', { role: 'server' }), 1)
  assert.ok(now.value('process_cpu_seconds_total')! > 0)
  assert.ok(now.value('process_resident_memory_bytes')! > 0)
  await eventually('a sweep is counted', async () => ((await scrape(metrics)).value('calotype_sweeps_total', { outcome: 'done' }) ?? 0) > 0)
})

test('knows who watches', async () => {
  const before = (await scrape(metrics)).value('calotype_watchers')
  const watching = await watch(server)
  assert.equal((await scrape(metrics)).value('calotype_watchers'), before! + 1)
  watching[Symbol.dispose]()
  await eventually('the watcher is gone', async () => (await scrape(metrics)).value('calotype_watchers') === before)
})

test('knows what waits and for how long, asking the database no more than once in a while', async () => {
  const asked = (found: Awaited<ReturnType<typeof scrape>>) => found.value('calotype_database_statements_total')!
  const first = await scrape(metrics)
  assert.equal(first.value('calotype_images_waiting', { status: 'pending' }), 0)
  assert.equal(first.value('calotype_oldest_waiting_age_seconds'), 0)
  assert.equal(first.value('calotype_queue_hints'), 0)
  const startedAt = performance.now()
  for (let i = 0; i < 50; i++) await scrape(metrics)
  const statements = asked(await scrape(metrics)) - asked(first)
  // One for each five seconds; the sweeps have theirs meanwhile.
  const sweeps = Math.ceil((performance.now() - startedAt) / 1_000) * 12
  assert.ok(statements <= sweeps, `${statements} statements for 51 scrapes`)
})

test('has no more series after 500 odd addresses and methods', async () => {
  await ask(server, '/api/images/none')
  await ask(server, '/nowhere')
  await ask(server, '/nowhere', { method: 'PROPFIND' })
  await ask(server, '/api/images/none', { method: 'DELETE' })
  const before = await scrape(metrics)
  for (let i = 0; i < 125; i++) {
    await Promise.all([
      ask(server, `/api/images/${i}`),
      ask(server, `/odd-${i}/${'x'.repeat(i)}?y=${i}`),
      ask(server, `/odd-${i}`, { method: ['PROPFIND', 'MKCOL', 'LOCK', 'REPORT'][i % 4]! }),
      ask(server, `/api/images/${i}`, { method: 'DELETE' }),
    ])
  }
  const now = await scrape(metrics)
  for (const name of ['calotype_http_requests_total', 'calotype_http_request_duration_seconds_count'])
    assert.deepEqual(now.series(name), before.series(name))
  assert.ok(now.value('calotype_http_requests_total', { route: 'none' })! >= 250)
})

test('answers nothing but the metrics, and the API has none', async () => {
  const base = metrics.replace('/metrics', '')
  assert.equal((await fetch(`${base}/`)).status, 404)
  assert.equal((await fetch(`${base}/api/list`)).status, 404)
  assert.equal((await fetch(metrics, { method: 'POST' })).status, 405)
  assert.equal((await ask(server, '/metrics')).status, 404)
  assert.match((await fetch(metrics)).headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
})

test('a port that is taken is said in a sentence', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  try {
    await assert.rejects(startServer({ env: { METRICS_PORT: String(port) } }), (error: Error) => {
      assert.match(
        error.message,
        new RegExp(`^METRICS_PORT ${port} on 127\\.0\\.0\\.1 is taken\\. Stop what listens there, or set METRICS_PORT`, 'm'),
      )
      assert.doesNotMatch(error.message, /\n {4}at /)
      return true
    })
    await assert.rejects(
      startServer({ env: { METRICS_PORT: '0', METRICS_HOST: '192.0.2.1' } }),
      /^METRICS_HOST 192\.0\.2\.1 is not an address/m,
    )
    await assert.rejects(
      startServer({ env: { METRICS_PORT: 'none' } }),
      /METRICS_PORT is "none"; it must be a whole number from 0 to 65535/,
    )
  } finally {
    taken.close()
  }
})
