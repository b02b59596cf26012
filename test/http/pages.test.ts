// The web app's files over HTTP: compressed beforehand, kept for ever, and said to be missing when they are.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import { pageRoutes } from '../../src/http/routes/pages.ts'
import { answerProblems, problemOptions } from '../../src/http/hooks/problem.ts'
import { addSecurityHeaders } from '../../src/http/hooks/security-headers.ts'

const SCRIPT = 'console.log("calotype")\n'.repeat(100)

let folder = ''
let fastify: FastifyInstance
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-pages-'))
  fastify = Fastify(problemOptions)
  answerProblems(fastify)
  addSecurityHeaders(fastify)
  await fastify.register(pageRoutes, {
    folder: join(folder, 'dist'),
    imageOrigins: ['https://store.example'],
    maxFileBytes: 1234,
    auth: 'open',
  })
})
afterEach(async () => {
  await fastify.close()
  rmSync(folder, { recursive: true })
})

function build() {
  const assets = join(folder, 'dist/assets')
  mkdirSync(assets, { recursive: true })
  writeFileSync(join(folder, 'dist/index.html'), '<html><head></head><body></body></html>')
  writeFileSync(join(assets, 'main-1.js'), SCRIPT)
  writeFileSync(join(assets, 'main-1.js.br'), brotliCompressSync(SCRIPT))
  writeFileSync(join(assets, 'main-1.js.gz'), gzipSync(SCRIPT))
}
const get = (url: string, headers: Record<string, string> = {}) => fastify.inject({ url, headers })

test('a page that was not built says how to; once it is built, it is there without a restart', async () => {
  const missing = await get('/')
  assert.equal(missing.statusCode, 503)
  assert.match(missing.body, /npm run build/)
  build()
  const page = await get('/gallery/019ab1c2-0000-7000-8000-000000000000')
  assert.equal(page.statusCode, 200)
  assert.match(page.headers['content-type'] as string, /^text\/html/)
  assert.match(page.body, /<meta name="max-file-bytes" content="1234" \/>/)
  assert.match(page.body, /<meta name="auth" content="open" \/>/)
  assert.match(page.headers['content-security-policy'] as string, /img-src 'self' blob: data: https:\/\/store\.example;/)
  assert.equal((await fastify.inject({ method: 'HEAD', url: '/' })).statusCode, 200)
})

test('files come in the form the browser takes, kept for a year', async () => {
  build()
  for (const [accepted, encoding] of [
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['identity', undefined],
  ] as const) {
    const response = await get('/assets/main-1.js', { 'accept-encoding': accepted })
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['content-encoding'], encoding)
    assert.match(response.headers['content-type'] as string, /^(text|application)\/javascript/)
    assert.equal(response.headers['cache-control'], 'public, max-age=31536000, immutable')
    assert.match(response.headers.vary as string, /accept-encoding/i)
    assert.equal(response.headers['x-content-type-options'], 'nosniff')
  }
})

test('what is not there is said in our words, and nothing outside is reached', async () => {
  build()
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  for (const path of [
    '/assets/',
    '/assets/other.js',
    '/assets/../index.html',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/other',
  ]) {
    const response = await get(path)
    assert.ok([400, 403, 404].includes(response.statusCode), `${path}: ${response.statusCode}`)
    assert.match(response.json<{ code: string }>().code, /not_found|bad_request/, path)
  }
})
