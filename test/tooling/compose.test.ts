// compose.yml, the Dockerfile and `npm run env`, checked as far as can be without a Docker engine.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { findPrograms } from '../../scripts/cluster/programs.ts'
import { authMode, readConfig } from '../../src/config.ts'
import { settingsHelp } from '../../src/config/help.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Service {
  image: string
  build?: { context: string; target: string }
  command?: string[]
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  security_opt?: string[]
  restart?: string
  stop_grace_period?: string
  init?: boolean
  ports?: string[]
  volumes?: string[]
  networks?: string[]
  network_mode?: string
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  deploy?: { replicas: number }
}
interface Compose {
  services: Record<string, Service>
  networks: Record<string, { internal?: boolean } | null>
  volumes: Record<string, unknown>
}

const text = read('compose.yml')
const { services, networks, volumes } = parse(text, { merge: true }) as Compose
const ONCE = 'store-folders'
const lasting = Object.entries(services).filter(([name]) => name !== ONCE)

/** The stages of the Dockerfile: their instructions, by name. Lines that go on are joined. */
const stages = new Map<string, string[]>()
for (const line of read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter(Boolean)) {
  const stage = /^FROM \S+ AS (\S+)$/.exec(line)?.[1]
  if (stage !== undefined) stages.set(stage, [])
  stages.get([...stages.keys()].at(-1)!)!.push(line)
}

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-compose-'))
})
after(() => rmSync(folder, { recursive: true }))

const makeEnv = (path: string) => spawnSync(process.execPath, [join(root, 'scripts/make-env.ts'), path], { encoding: 'utf8' })
const variablesIn = (path: string) =>
  Object.fromEntries(
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /^\w/.test(line))
      .map((line) => line.split('=') as [string, string]),
  )

/** As Compose puts variables in: `${NAME:?why}` must be there, `${NAME:-default}` may; `$$` is a `$`. */
function interpolate(value: string, variables: Record<string, string>): string {
  return value.replace(/\$\$|\$\{(\w+)(?::([?-])([^}]*))?\}/g, (all, name: string | undefined, kind: string, rest: string) => {
    if (name === undefined) return '$'
    const found = variables[name]
    if (kind === '?') assert.ok(found, `${name}: ${rest}`)
    assert.ok(kind !== undefined, `${all} has neither a default nor a reason`)
    return found || (kind === '-' ? rest : '')
  })
}

test('nothing runs as root, writes to its root, or has a privilege; everything ends in order and starts again', () => {
  for (const [name, service] of lasting) {
    const user =
      service.user ??
      stages
        .get(service.build?.target ?? '')
        ?.findLast((line) => line.startsWith('USER '))
        ?.slice(5)
    assert.ok(user !== undefined && !/^(0|root)\b/.test(user), `${name} runs as ${user}`)
    const { read_only, cap_drop, cap_add, security_opt, restart, init, stop_grace_period } = service
    assert.deepEqual(
      { read_only, cap_drop, cap_add, security_opt, restart, init },
      {
        read_only: true,
        cap_drop: ['ALL'],
        cap_add: undefined,
        security_opt: ['no-new-privileges:true'],
        restart: 'unless-stopped',
        init: true,
      },
      name,
    )
    // The servers and workers promise to end within 10 s.
    assert.ok(parseInt(stop_grace_period!) >= 20, name)
  }
  const { cap_add, cap_drop, network_mode, read_only, restart } = services[ONCE]!
  assert.deepEqual([cap_add, cap_drop, network_mode, read_only, restart], [['CHOWN'], ['ALL'], 'none', true, 'no'])
})

test('everything has a health check, and is waited for until it is well', () => {
  for (const [name, service] of lasting) {
    const own = service.healthcheck?.test[0]?.startsWith('CMD')
    const ofImage = stages.get(service.build?.target ?? '')?.some((line) => line.startsWith('HEALTHCHECK'))
    assert.ok(own || ofImage, `${name} has no health check`)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      assert.ok(other in services, `${name} waits for ${other}`)
      assert.equal(condition, other === ONCE ? 'service_completed_successfully' : 'service_healthy')
    }
  }
  const waits = (name: string) => Object.keys(services[name]!.depends_on ?? {}).sort()
  assert.deepEqual([waits('nginx'), waits('pgbouncer'), waits('store')], [['api'], ['postgres'], [ONCE]])
  for (const name of ['api', 'worker']) assert.deepEqual(waits(name), ['pgbouncer', 'redis', 'store'])
})

test('only nginx is reached from outside, at the ports that are known; the engines have a network without a way out', () => {
  assert.deepEqual(services.nginx!.ports, ['80:8080', '8000:8080', '5173:8080'])
  for (const [name, service] of lasting) {
    if (name !== 'nginx') assert.equal(service.ports, undefined, name)
    assert.deepEqual(service.networks, name === 'nginx' ? ['front'] : name === 'api' ? ['front', 'back'] : ['back'], name)
  }
  assert.equal(networks.back?.internal, true)
  assert.deepEqual([services.api!.deploy?.replicas, services.worker!.deploy?.replicas], [2, 2])
})

test('what is mounted is there, and what is kept has a name', () => {
  const named = new Set<string>()
  for (const [name, service] of Object.entries(services)) {
    for (const volume of service.volumes ?? []) {
      const [source = '', target, mode] = volume.split(':')
      if (source.startsWith('./')) {
        assert.ok(existsSync(join(root, source)), `${name} mounts ${source}`)
        assert.equal(mode, 'ro', `${name} may not write ${source}`)
      } else if (target !== undefined) named.add(source)
    }
  }
  assert.deepEqual([...named].sort(), Object.keys(volumes).sort())
})

test('images are named with a version', () => {
  for (const [name, { image, build }] of Object.entries(services)) {
    if (build) assert.ok(stages.has(build.target), `${name} builds ${build.target}`)
    else assert.match(image, /:[^:]+$/, name)
    assert.doesNotMatch(image, /:latest$/, name)
  }
})

test('npm run env makes every password that compose.yml wants; no other one works', () => {
  const path = join(folder, '.env')
  assert.equal(makeEnv(path).status, 0)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const made = variablesIn(path)
  const wanted = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!)
  assert.deepEqual(Object.keys(made).sort(), [...new Set(wanted)].sort())
  for (const [name, value] of Object.entries(made)) assert.match(value, /^(GK)?[0-9a-f]{32,}$/, name)
  // Each another one, each time.
  const second = join(folder, 'second.env')
  makeEnv(second)
  assert.equal(new Set([...Object.values(made), ...Object.values(variablesIn(second))]).size, 2 * Object.keys(made).length)

  for (const [name, { environment = {} }] of Object.entries(services)) {
    for (const [key, value] of Object.entries(environment)) {
      if (/PASSWORD|SECRET|_KEY|.AUTH|URL$/.test(key)) assert.match(value, /\$\{\w+:\?run npm run env\}/, `${name}: ${key}`)
    }
    const secrets = Object.values(environment).filter((value) => value.includes(':?'))
    for (const value of secrets) assert.throws(() => interpolate(value, {}), /run npm run env/, name)
  }
})

test('npm run env leaves what is in .env, and is content when all is there', () => {
  const path = join(folder, 'kept.env')
  writeFileSync(path, 'LOG_LEVEL=debug\nPOSTGRES_PASSWORD=chosen\nREDIS_PASSWORD=')
  assert.equal(makeEnv(path).status, 0)
  const variables = variablesIn(path)
  assert.deepEqual([variables.LOG_LEVEL, variables.POSTGRES_PASSWORD], ['debug', 'chosen'])
  assert.ok(variables.REDIS_PASSWORD)
  const before = readFileSync(path, 'utf8')
  assert.match(makeEnv(path).stdout, /nothing was changed/)
  assert.equal(readFileSync(path, 'utf8'), before)
})

test('the settings of API servers and workers are settings, and go together', () => {
  const path = join(folder, 'settings.env')
  makeEnv(path)
  const variables = variablesIn(path)
  const known = new Set(
    settingsHelp()
      .match(/^ {2}[A-Z][A-Z0-9_]+/gm)!
      .map((name) => name.trim()),
  )
  // None of those in .env, which is also read by npm start, may be one.
  for (const name of Object.keys(variables)) assert.ok(!known.has(name), name)
  for (const name of ['api', 'worker']) {
    const { environment = {} } = services[name]!
    for (const key of Object.keys(environment)) assert.ok(known.has(key), `${name}: ${key}`)
    const config = readConfig(Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, interpolate(value, variables)])))
    assert.equal(new URL(config.databaseUrl).password, variables.POSTGRES_PASSWORD)
    assert.equal(new URL(config.redisUrl).password, variables.REDIS_PASSWORD)
    // The image listens on every network.
    if (name === 'api') assert.deepEqual([authMode({ ...config, host: '0.0.0.0' }), config.trustProxy], ['required', ['uniquelocal']])
    assert.deepEqual([config.s3Bucket, config.s3SecretAccessKey], ['calotype', variables.STORE_SECRET_KEY])
    for (const url of [config.databaseUrl, config.redisUrl, config.s3Endpoint]) assert.ok(new URL(url).hostname in services, url)
  }
})

test('nginx takes its configuration', () => {
  const { nginx } = findPrograms(console.error)
  // Debian's nginx is older than the one of compose.yml and does not resolve names again; and here are other folders.
  const main = read('cluster/compose/nginx.conf')
    .replace(/server api:8000 resolve/, 'server 127.0.0.1:8000')
    .replaceAll('/etc/calotype/', `${join(root, 'cluster/nginx')}/`)
    .replaceAll('/var/cache/nginx', folder)
    .replace('/tmp/nginx.pid', join(folder, 'nginx.pid'))
    .replace('worker_rlimit_nofile 16384;', '')
  const path = join(folder, 'nginx.conf')
  writeFileSync(path, main)
  const { status, stderr } = spawnSync(nginx, ['-t', '-p', folder, '-c', path, '-e', 'stderr'], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(read('cluster/compose/nginx.conf'), /listen 8080/)
})

test('the image is built from what is copied into it, without development packages, for a user of its own', () => {
  const [last] = [...stages.entries()].at(-1)!
  assert.equal(last, 'calotype')
  assert.ok(stages.get('dependencies')!.includes('RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund'))
  assert.ok(stages.get('calotype')!.includes('ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "src/cli.ts"]'))

  const ignore = read('.dockerignore').split('\n')
  const copied = [...stages.values()].flat().filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
  const app = join(folder, 'app')
  for (const source of new Set(copied.flatMap((line) => line.split(' ').slice(1, -1)))) {
    assert.ok(ignore.includes(`!${source}`) || ignore.includes(`!${source}/`), `${source} is not kept out of the build`)
    cpSync(join(root, source), join(app, source), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'))
  const { stdout, stderr } = spawnSync(process.execPath, ['src/cli.ts', '--version'], { cwd: app, encoding: 'utf8' })
  assert.equal(stdout.trim(), (JSON.parse(read('package.json')) as { version: string }).version, stderr)
})

test('the health check of the image tells a server, or a worker, that is well from one that is not', async () => {
  const line = stages.get('calotype')!.find((instruction) => instruction.startsWith('HEALTHCHECK'))!
  const [, ...args] = JSON.parse(/CMD (\[.*\])$/.exec(line)![1]!) as string[]
  let status = 200
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/healthz' ? status : 404
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = String((server.address() as AddressInfo).port)
  const check = (env: Record<string, string>) =>
    promisify(execFile)(process.execPath, args, { env, timeout: 10_000 }).then(
      () => true,
      () => false,
    )
  try {
    assert.equal(await check({ PORT: port, WORKER_PORT: '1' }), true)
    assert.equal(await check({ PORT: '1', WORKER_PORT: port }), true)
    assert.equal(await check({ PORT: '1', WORKER_PORT: '1' }), false)
    status = 503
    assert.equal(await check({ PORT: port, WORKER_PORT: port }), false)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
