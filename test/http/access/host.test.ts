// By which names a server may be asked: the decision, and what a real server on loopback answers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { isLoopback } from '../../../src/config.ts'
import { isAllowedHost } from '../../../src/http/access/host.ts'
import { startServer } from '../../support/servers/server.ts'

describe('host', () => {
  const allowed = ['photos.example']
  const table: [host: string | undefined, isAllowed: boolean][] = [
    [undefined, true],
    ['localhost', true],
    ['localhost:8000', true],
    ['LOCALHOST:8000', true],
    ['localhost.', true],
    ['app.localhost:5173', true],
    ['127.0.0.1:8000', true],
    ['192.168.1.5', true],
    ['[::1]:8000', true],
    ['[fe80::1]', true],
    ['photos.example', true],
    ['Photos.Example:443', true],
    ['evil.example', false],
    ['evil.example:8000', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['evillocalhost', false],
    ['sub.photos.example', false],
    ['photos.example.evil.example', false],
    ['photos.example@evil.example', false],
    ['2130706433', false],
    ['[evil.example]', false],
    ['', false],
    [':8000', false],
    ['a:b:c', false],
  ]
  for (const [host, isAllowed] of table) {
    test(`${isAllowed ? 'allows' : 'refuses'} ${host ?? 'none'}`, () => assert.equal(isAllowedHost(host, allowed), isAllowed))
  }
  test('* allows any', () => assert.equal(isAllowedHost('evil.example', ['*']), true))
  test('what is loopback', () => {
    assert.deepEqual(['127.0.0.1', '127.9.9.9', '::1', 'localhost', '0.0.0.0', '::', '10.0.0.1'].map(isLoopback), [
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ])
  })
})

async function askAs(url: string, host: string, path: string, options: { method?: string; upgrade?: true } = {}) {
  const headers = { host, ...(options.upgrade && { connection: 'upgrade', upgrade: 'websocket' }) }
  const asking = request(url + path, { method: options.method ?? 'GET', headers, agent: false }).end()
  const [response] = await once(asking, 'response')
  return { status: response.statusCode as number, text: await text(response) }
}

test('a page whose name was bound to this machine is refused everywhere, with the setting to change', async () => {
  await using server = await startServer({ env: { ALLOWED_HOSTS: 'photos.example' } })
  const asked = [['/api/list'], ['/'], ['/healthz'], ['/api/upload', { method: 'POST' }], ['/ws/upload/', { upgrade: true }]] as const
  for (const [path, options] of asked) {
    const { status, text } = await askAs(server.url, 'evil.example', path, options)
    assert.equal(status, 421, path)
    const { code, error } = JSON.parse(text)
    assert.equal(code, 'host_not_allowed')
    assert.match(error, /ALLOWED_HOSTS/)
  }
  for (const host of ['photos.example', 'localhost', new URL(server.url).host]) {
    assert.equal((await askAs(server.url, host, '/api/list')).status, 200)
  }
})

test('a server for every network goes by any name', async () => {
  await using server = await startServer({ env: { HOST: '0.0.0.0', AUTH: 'open' } })
  assert.equal((await askAs(server.url.replace('0.0.0.0', '127.0.0.1'), 'photos.example', '/api/list')).status, 200)
})
