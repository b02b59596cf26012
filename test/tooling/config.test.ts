// Settings: read, refused in one sentence, and written down once.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { authMode, describeSettings, readConfig } from '../../src/config.ts'
import { envExample, settingsHelp } from '../../src/config/help.ts'
import { StartError } from '../../src/errors.ts'

test('nothing set gives the defaults', () => {
  const config = readConfig({})
  assert.equal(config.host, '127.0.0.1')
  assert.equal(config.port, 8000)
  assert.equal(config.dataDir, `${process.cwd()}/data`)
  assert.deepEqual(config.corsOrigins, [])
  assert.equal(config.maxFileBytes, 64 * 1024 * 1024)
  assert.ok(config.workerConcurrency >= 1)
  assert.equal(config.logLevel, 'info')
})

test('what is set is taken, and an empty setting is not set', () => {
  const config = readConfig({
    PORT: '0',
    DATA_DIR: '/tmp/x/../y',
    CORS_ORIGINS: 'https://a.example, http://b.example:8080',
    MAX_FILES: ' ',
  })
  assert.equal(config.port, 0)
  assert.equal(config.dataDir, '/tmp/y')
  assert.deepEqual(config.corsOrigins, ['https://a.example', 'http://b.example:8080'])
  assert.equal(config.maxFiles, 5000)
})

const BAD = [
  ['PORT', 'http'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['MAX_FILE_BYTES', '64MB'],
  ['MAX_FILE_BYTES', '0'],
  ['MAX_PENDING', '1e3'],
  ['WORKER_CONCURRENCY', '0'],
  ['PROCESS_TIMEOUT_MS', '2147483648'],
  ['LOG_LEVEL', 'loud'],
  ['MEDIA_ACCESS', 'secret'],
  ['AUTH', 'maybe'],
  ['SESSION_IDLE_HOURS', '0'],
  ['TRUST_PROXY', '*'],
  ['TRUST_PROXY', '10.0.0.0/33'],
  ['TRUST_PROXY', '10.0.0.1,proxy.example'],
  ['CORS_ORIGINS', '*'],
  ['CORS_ORIGINS', 'https://a.example/'],
  ['CORS_ORIGINS', 'https://a.example,b.example'],
  ['CORS_ORIGINS', 'ftp://a.example'],
] as const

for (const [name, value] of BAD) {
  test(`${name}=${value} is refused in a sentence that names it`, () => {
    assert.throws(
      () => readConfig({ [name]: value }),
      (error) => error instanceof StartError && new RegExp(`^${name} is ".*"; it must be .+\\.$`).test(error.message),
    )
  })
}

test('a server is open on this machine alone, unless AUTH says what it is', () => {
  for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost']) {
    assert.equal(authMode({ host, auth: null }), 'open')
    assert.equal(authMode({ host, auth: 'required' }), 'required')
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.org', 'localhost.example.org']) {
    assert.throws(() => authMode({ host, auth: null }), { name: 'StartError', message: /AUTH=required.*AUTH=open/ })
    assert.equal(authMode({ host, auth: 'open' }), 'open')
  }
})

test('proxies are addresses, ranges and names of ranges', () => {
  const { trustProxy } = readConfig({ TRUST_PROXY: '127.0.0.1, 10.0.0.0/8,fd00::/8,uniquelocal' })
  assert.deepEqual(trustProxy, ['127.0.0.1', '10.0.0.0/8', 'fd00::/8', 'uniquelocal'])
})

test('.env.example is what the table says', () => {
  assert.equal(readFileSync(new URL('../../.env.example', import.meta.url), 'utf8'), envExample())
})

test('.env.example, uncommented, says the defaults', () => {
  const assignments = [...envExample().matchAll(/^# ([A-Z0-9_]+)=(.*)$/gm)].map(([, name, value]) => [name, value])
  assert.equal(assignments.length, Object.keys(readConfig({})).length)
  assert.deepEqual(readConfig(Object.fromEntries(assignments) as Record<string, string>), readConfig({}))
})

test('the help has a line for every setting', () => {
  for (const [, name] of envExample().matchAll(/^# ([A-Z0-9_]+)=/gm))
    assert.match(settingsHelp(), new RegExp(`^  ${name} +\\S.* Default: .+\\.$`, 'm'))
})

test('settings are shown as they are set, without a secret', () => {
  const env = {
    DATABASE_URL: 'postgres://calotype:swordfish@db:5432/calotype?sslpassword=swordfish',
    REDIS_URL: 'redis://:swordfish@redis:6379',
    S3_SECRET_ACCESS_KEY: 'swordfish',
    S3_ACCESS_KEY_ID: 'an id',
    MAX_FILES: ' 7 ',
    LOG_LEVEL: '',
  }
  const settings = describeSettings(env)
  assert.ok(!JSON.stringify(settings).includes('swordfish'))
  const of = (name: string) => settings.find((setting) => setting.name === name)!
  assert.equal(of('DATABASE_URL').value, 'postgres://calotype:***@db:5432/calotype?sslpassword=***')
  assert.equal(of('REDIS_URL').value, 'redis://:***@redis:6379')
  assert.deepEqual([of('S3_SECRET_ACCESS_KEY').value, of('S3_SECRET_ACCESS_KEY').isSecret], ['***', true])
  assert.deepEqual([of('S3_ACCESS_KEY_ID').value, of('S3_ACCESS_KEY_ID').isSecret], ['an id', false])
  assert.deepEqual([of('MAX_FILES').value, of('MAX_FILES').default, of('MAX_FILES').isSet], ['7', '5000', true])
  assert.deepEqual([of('LOG_LEVEL').value, of('LOG_LEVEL').isSet], ['info', false])
  // What is no address may be a password.
  assert.equal(describeSettings({ REDIS_URL: 'swordfish' }).find(({ name }) => name === 'REDIS_URL')!.value, '***')
  assert.equal(describeSettings({}).find(({ name }) => name === 'DATABASE_URL')!.value, 'none')
})
