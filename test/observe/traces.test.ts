// One trace from an upload's request to the announcement of its images, whoever develops them; and none of it in anybody's way.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { allFinal, eventually, post, upload, MULTIPART, part, END_OF_PARTS } from '../support/clients/client.ts'
import { startCluster } from '../support/servers/cluster.ts'
import { startCollector, type CollectedSpan, type Collector } from '../support/clients/collector.ts'
import { declare, described, sendFiles } from '../support/clients/ledger.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'

const OF_AN_IMAGE = ['queue wait', 'claim', 'fetch original', 'develop', 'store outputs', 'record outcome', 'publish']
const traceOf = (uuid: string) => uuid.replaceAll('-', '')
const spanOf = (uuid: string) => traceOf(uuid).slice(16)

for (const topology of ['embedded', 'cluster'] as const)
  describe(topology, () => {
    let collector: Collector
    let calotype: { url: string; stop(): Promise<number | null> }

    before(async () => {
      collector = await startCollector()
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, WORKER_CONCURRENCY: '1' }
      calotype = topology === 'embedded' ? await startServer({ env }) : await startCluster({ api: 1, workers: 1, env })
    })
    after(async () => {
      await calotype?.stop()
      await collector?.[Symbol.asyncDispose]()
    })

    /** All spans of a trace, once the announcement of so many images is among them. */
    const collected = (batchId: string, images: number) =>
      eventually(
        'the trace came whole',
        async () => {
          const spans = collector.spans.filter(({ traceId }) => traceId === traceOf(batchId))
          const isWhole =
            spans.filter(({ name }) => name === 'publish').length === images && spans.some(({ name }) => name.startsWith('POST '))
          return isWhole && spans
        },
        30_000,
      )

    test('an upload is one trace from its request to the announcement of each image', async () => {
      const [first, second] = await smallPhotographs(2, { seed: topology === 'embedded' ? 81 : 82 })
      const client = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
      const { status, body } = await post(calotype, {
        path: '/api/async/batch/upload',
        headers: { 'content-type': MULTIPART, traceparent: `00-${client.traceId}-${client.spanId}-01` },
        body: Buffer.concat([
          part('images', 'first.jpg', first!),
          part('images', 'second.jpg', second!),
          part('images', 'notes.txt', 'no image'),
          END_OF_PARTS,
        ]),
      })
      assert.equal(status, 202)
      await allFinal(calotype)
      const spans = await collected(body.job_id, 2)

      const root = spans.find(({ name }) => name === 'POST /api/async/batch/upload')!
      assert.deepEqual([root.spanId, root.parentSpanId, root.attributes['http.response.status_code']], [spanOf(body.job_id), '', 202])
      assert.deepEqual(
        root.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
        [client],
      )
      const within = (id: string) => spans.filter(({ parentSpanId }) => parentSpanId === id)
      const names = within(root.spanId).map(({ name }) => name)
      const count = (name: string) => names.filter((one) => one === name).length
      assert.deepEqual([count('receive'), count('store'), count('image')], [3, 2, 2])
      assert.ok(count('record') >= 1 && count('announce') >= 1)
      assert.deepEqual(
        spans.filter(({ isError }) => isError).map(({ name }) => name),
        ['receive'],
      )
      for (const { id } of body.images) {
        const image = spans.find(({ spanId }) => spanId === spanOf(id))!
        assert.equal(image.attributes['calotype.image.id'], id)
        assert.equal(image.attributes['calotype.image.status'], 'completed')
        const parts = within(image.spanId)
        assert.deepEqual(parts.map(({ name }) => name).toSorted(), OF_AN_IMAGE.toSorted())
        inOrder(parts)
        // A worker's clock and the database's are one here; they differ by their steps of a millisecond.
        assert.ok(image.startedAt >= root.startedAt - 2 && image.endedAt > root.startedAt)
        assert.equal(image.instance === root.instance, topology === 'embedded')
      }
      assert.ok(spans.every(({ startedAt, endedAt }) => endedAt >= startedAt))
      assert.doesNotMatch(JSON.stringify(spans), /first\.jpg|notes\.txt/)
    })

    test('a declared batch is one trace, of its declaration and of every request that brings files', async () => {
      const photographs = await smallPhotographs(2, { seed: topology === 'embedded' ? 83 : 84 })
      const files = photographs.map((bytes, index) => ({ index, name: `${index}.jpg`, bytes }))
      const { id: batchId } = await declare(calotype, files.map(described))
      for (const file of files) {
        const { status } = await sendFiles(calotype, batchId, [file])
        assert.equal(status, 202)
      }
      await allFinal(calotype)
      const spans = await eventually('the declaration is there, too', async () => {
        const all = await collected(batchId, 2)
        return all.filter(({ name }) => name.startsWith('POST ')).length === 3 && all
      })
      const roots = spans.filter(({ parentSpanId }) => parentSpanId === '')
      assert.deepEqual(
        roots.map(({ name, spanId }) => [name, spanId]),
        [['POST /api/batches', spanOf(batchId)]],
      )
      const ids = new Set(spans.map(({ spanId }) => spanId))
      assert.ok(spans.every(({ parentSpanId }) => parentSpanId === '' || ids.has(parentSpanId)))
    })
  })

function inOrder(parts: CollectedSpan[]) {
  const byName = new Map(parts.map((part) => [part.name, part]))
  const steps = OF_AN_IMAGE.map((name) => byName.get(name)!)
  for (const [at, step] of steps.entries())
    if (at > 0) assert.ok(step.startedAt >= steps[at - 1]!.startedAt, `${step.name} begins before ${steps[at - 1]!.name}`)
}

test('a collector that is away holds nobody up, and is said once', async () => {
  await using server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', WORKER_CONCURRENCY: '1' } })
  const photographs = await smallPhotographs(3, { seed: 85 })
  for (const bytes of photographs) {
    const { status, text } = await upload(server, 'sync', [{ name: 'photograph.jpg', bytes }])
    assert.equal(status, 200, text)
  }
  const warnings = () =>
    server
      .output()
      .split('\n')
      .filter((line) => line.includes('the collector does not take traces'))
  await eventually('it is said', async () => warnings().length > 0, 60_000)
  assert.equal((await upload(server, 'sync', [{ name: 'again.jpg', bytes: photographs[0]! }])).status, 200)
  const stopping = performance.now()
  assert.equal(await server.stop(), 0)
  assert.ok(performance.now() - stopping < 12_000)
  assert.equal(warnings().length, 1)
  assert.equal((JSON.parse(warnings()[0]!) as { level: string }).level, 'warn')
})

test('what is no address of a collector is said in a sentence', async () => {
  await assert.rejects(
    startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' } }),
    /OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4318"; it must be the address of a collector/,
  )
})
