// The metrics of a cluster, server and worker; and the files that stand on them: dashboard, alerts and runbook name nothing that is not there.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parser } from '@prometheus-io/lezer-promql'
import { parse } from 'yaml'
import { allFinal, eventually, upload } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { metricsUrl, scrape, type Scrape } from '../support/clients/metrics.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Rules {
  groups: { rules: { alert: string; expr: string; for?: string; labels: { severity: string }; annotations: Record<string, string> }[] }[]
}
interface Dashboard {
  templating: { list: { type: string; query: string }[] }
  panels: { type: string; title: string; targets?: { expr: string }[] }[]
}

const alerts = (parse(read('cluster/prometheus/alerts.yml')) as Rules).groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(read('cluster/grafana/calotype.json')) as Dashboard

let cluster: TestCluster
const scrapeOf = (member: string) => scrape(metricsUrl(readFileSync(join(cluster.folder, 'log', `${member}.log`), 'utf8')))

before(async () => {
  cluster = await startCluster({ api: 1, workers: 1, env: { METRICS_PORT: '0', WORKER_CONCURRENCY: '1' } })
})
after(() => cluster?.stop())

test('the server counts what it takes in, the worker what it develops', async () => {
  const photographs = await smallPhotographs(3, { seed: 95 })
  const files = photographs.map((bytes, at) => ({ name: `${at}.jpg`, bytes }))
  const { status } = await upload(cluster, 'batch', [...files, { name: 'damaged.jpg', bytes: photographs[0]!.subarray(0, 2_000) }])
  assert.equal(status, 202)
  await allFinal(cluster)
  const api = await eventually('the server has heard of all', async () => {
    const now = await scrapeOf('api-1')
    return now.value('calotype_event_lag_seconds_count') === 4 && now
  })
  const worker = await scrapeOf('worker-1')
  const steps = (at: Scrape, step: string) => at.value('calotype_step_duration_seconds_count', { step })
  assert.deepEqual([steps(api, 'receive'), steps(api, 'store'), steps(api, 'process')], [4, 4, null])
  assert.deepEqual(
    [steps(worker, 'receive'), steps(worker, 'queue_wait'), steps(worker, 'process'), steps(worker, 'finish')],
    [null, 4, 4, 4],
  )
  assert.equal(worker.value('calotype_images_total', { status: 'completed' }), 3)
  assert.equal(worker.value('calotype_images_total', { status: 'error', code: 'invalid_image' }), 1)
  assert.equal(worker.value('calotype_children'), 1)
  assert.equal(worker.value('calotype_images_in_hand'), 0)
  assert.equal(worker.value('calotype_info', { role: 'worker' }), 1)
  assert.equal(api.value('calotype_images_waiting', { status: 'pending' }), 0)
  assert.equal(api.value('calotype_queue_hints'), 0)
  assert.ok(api.value('calotype_database_connections')! >= 1)
  for (const one of [api, worker]) assert.equal(one.value('calotype_database_waiting'), 0)
  // On PostgreSQL each statement is a round trip of its own.
  const statements = worker.value('calotype_database_statements_total', { outcome: 'done' })!
  assert.ok(statements > 3 && worker.value('calotype_database_round_trip_duration_seconds_count') === statements)
})

/** The metrics and labels an expression reads. Throws where it is not well formed. */
function metricsIn(expression: string): string[] {
  // Grafana puts its own in before Prometheus sees them.
  const text = expression.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*')
  const found: string[] = []
  parser.parse(text).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`not PromQL, at ${node.from}: ${text}`)
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector') found.push(text.slice(node.from, node.to))
    },
  })
  return found
}

test('every metric that the dashboard and the alerts name is in a scrape', async () => {
  const known = new Set([...(await scrapeOf('api-1')).names, ...(await scrapeOf('worker-1')).names])
  const panels = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ name: title, expr })))
  const all = [...panels, ...alerts.map(({ alert, expr }) => ({ name: alert, expr }))]
  assert.ok(panels.length > 30 && alerts.length > 20)
  const named = new Set<string>()
  for (const { name, expr } of all) {
    const metrics = metricsIn(expr)
    assert.ok(metrics.length > 0, `${name} reads nothing: ${expr}`)
    // Prometheus's own: whether it could scrape.
    for (const metric of metrics.filter((one) => one !== 'up')) {
      assert.ok(known.has(metric), `${name} reads ${metric}, which is not there`)
      named.add(metric.replace(/_(bucket|sum|count)$/, ''))
    }
  }
  // And what is counted is looked at.
  const unseen = [...known].filter((name) => name.startsWith('calotype_') && !named.has(name.replace(/_(bucket|sum|count)$/, '')))
  assert.deepEqual(unseen, ['calotype_info'])
  assert.match(dashboard.templating.list[1]!.query, /^label_values\(calotype_info, instance\)$/)
  assert.throws(() => metricsIn('sum(rate(calotype_images_total[5m])'), /not PromQL/)
})

test('every alert has its place in the runbook, with what it means, how to see it and what to do', () => {
  const sections = new Map(
    read('docs/runbook.md')
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.split('\n', 1)[0]!, section]),
  )
  assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
  for (const { alert, labels, annotations } of alerts) {
    const section = sections.get(alert)
    assert.ok(section, `docs/runbook.md has no section "${alert}"`)
    for (const part of ['**Means**', '**See**', '**Do**']) assert.ok(section.includes(part), `${alert} lacks ${part}`)
    assert.equal(annotations.runbook, `docs/runbook.md#${alert.toLowerCase()}`)
    assert.match(annotations.summary!, /\w{3}/)
    assert.match(labels.severity, /^(critical|warning)$/)
  }
  const names = alerts.map(({ alert }) => alert)
  assert.deepEqual(
    [...sections.keys()].filter((name) => name.startsWith('Calotype') && !names.includes(name)),
    [],
  )
})
