// The doctor looks at the way from outside: a real nginx that stands in it as its defaults have it, and as it should.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { findPrograms } from '../../scripts/cluster/programs.ts'
import { freePorts } from '../../scripts/cluster/place.ts'
import { examineFront } from '../../src/cli/front.ts'
import type { Finding } from '../../src/flow/doctor/findings.ts'
import { eventually, listImages } from '../support/clients/client.ts'
import { startServer, type Server } from '../support/servers/server.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024

let server: Server
before(async () => {
  server = await startServer({ env: { LOG_LEVEL: 'error' } })
})
after(() => server.stop())

/** nginx before the server, with these lines in its `location`. */
async function startFront(t: TestContext, lines: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-front-'))
  const [port = 0] = await freePorts(1)
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')
  const conf = `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log stderr crit; events {}
    http { access_log off; ${paths} server { listen 127.0.0.1:${port}; location / { proxy_pass ${server.url}; ${lines} } } }`
  await writeFile(join(folder, 'nginx.conf'), conf)
  const nginx = spawn(findPrograms(() => undefined).nginx, ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
  })
  const ended = once(nginx, 'exit')
  t.after(async () => {
    nginx.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await eventually('nginx answers', () =>
    fetch(`${url}/healthz`).then(
      (answer) => answer.ok,
      () => false,
    ),
  )
  return url
}

async function found(url: string): Promise<Finding['code'][]> {
  const findings: Finding[] = []
  await examineFront(url, MAX_FILE_BYTES, (finding) => findings.push(finding))
  assert.ok(findings.every(({ about, what }) => about === url && what.includes('127.0.0.1')))
  return findings.map(({ code }) => code)
}

const SOCKETS = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'

test('nothing in the way, or what passes all on, is well; and nothing was uploaded', async (t) => {
  assert.deepEqual(await found(server.url), [])
  const url = await startFront(t, `client_max_body_size 0; proxy_request_buffering off; proxy_set_header Host $http_host; ${SOCKETS}`)
  assert.deepEqual(await found(url), [])
  assert.deepEqual(await listImages(server), [])
})

test('a limit of bodies, bodies held back and WebSockets not passed on are found, each by its name', async (t) => {
  assert.deepEqual(await found(await startFront(t, '')), ['front_limits_bodies', 'front_stops_websockets'])
  assert.deepEqual(await found(await startFront(t, `client_max_body_size 1g; ${SOCKETS}`)), ['front_holds_bodies'])
})

test('an address where something else answers, or nothing, is said to be none', async () => {
  assert.deepEqual(await found('http://127.0.0.1:1'), ['front_unreachable'])
  const other = createServer((_, response) => response.end('Welcome!')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    assert.deepEqual(await found(`http://127.0.0.1:${(other.address() as AddressInfo).port}`), ['front_unreachable'])
  } finally {
    other.close()
    other.closeAllConnections()
  }
})
