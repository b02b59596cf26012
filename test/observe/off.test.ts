// Nobody watches unless asked: no library of theirs is loaded, no port is open, nothing is said of it.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { upload } from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-observe-'))
})
after(() => rmSync(folder, { recursive: true }))

/** Every module that a server loads, from its start to its end, with an upload between. */
async function modulesLoaded(name: string, settings: Record<string, string>): Promise<{ modules: string[]; output: string }> {
  const list = join(folder, `${name}.txt`)
  const hook = join(folder, `${name}.mjs`)
  writeFileSync(
    hook,
    `import { appendFileSync } from 'node:fs'
    import { registerHooks } from 'node:module'
    registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context) } })`,
  )
  const env = { ...settings, WORKER_CONCURRENCY: '1', NODE_OPTIONS: `--import=${pathToFileURL(hook)}` }
  const server = await startServer({ env })
  const [bytes] = await smallPhotographs(1, { seed: 97 })
  const { status } = await upload(server, 'sync', [{ name: 'photograph.jpg', bytes: bytes! }])
  assert.equal(status, 200)
  assert.equal(await server.stop(), 0)
  return { modules: readFileSync(list, 'utf8').split('\n'), output: server.output() }
}

const from = (modules: string[], packageName: string) => modules.some((url) => url.includes(`/node_modules/${packageName}`))

test('without settings, neither library is loaded; with one, only its own', async () => {
  const off = await modulesLoaded('off', {})
  assert.ok(from(off.modules, 'fastify/') && off.modules.some((url) => url.endsWith('/src/app.ts')))
  assert.deepEqual(
    off.modules.filter((url) => /prometheus|opentelemetry/.test(url)),
    [],
  )
  assert.doesNotMatch(off.output, /^metrics /m)

  const metrics = await modulesLoaded('metrics', { METRICS_PORT: '0' })
  assert.ok(from(metrics.modules, '@prometheus-io/client'))
  assert.ok(!from(metrics.modules, '@opentelemetry/sdk-trace'))
  assert.match(metrics.output, /^metrics http:\/\/127\.0\.0\.1:\d+\/metrics$/m)

  const traces = await modulesLoaded('traces', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  assert.ok(from(traces.modules, '@opentelemetry/sdk-trace'))
  assert.ok(!from(traces.modules, '@prometheus-io'))
  assert.doesNotMatch(traces.output, /^metrics /m)
})
