// The engines of the cluster: PostgreSQL, PgBouncer, Redis and, if wanted, an S3 server.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { StartError } from '../../src/errors.ts'
import { bound, HOST, type Place } from './place.ts'
import type { Programs } from './programs.ts'
import type { Program } from './supervise.ts'

export interface EngineOptions {
  place: Place
  programs: Programs
  port: number
}

/** The shared settings, which lie beside compose.yml's. */
export const SETTINGS = join(import.meta.dirname, '../../cluster')
const DATABASE = 'calotype'
const ENGINE_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' }

export const databaseUrl = ({ secrets }: Place, port: number, database = DATABASE) =>
  `postgres://${DATABASE}:${secrets.databasePassword}@${HOST}:${port}/${database}`
export const redisUrl = ({ secrets }: Place, port: number) => `redis://:${secrets.redisPassword}@${HOST}:${port}/0`

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } finally {
    await client.end()
  }
}

/** PostgreSQL; a new folder gets its files first. Throws StartError if they can't be made. */
export function postgres({ place, programs, port }: EngineOptions): Program {
  const folder = place.subfolder('postgres', { forEngine: true })
  const data = join(folder, 'data')
  const command = (program: string, ...args: string[]) =>
    bound([program, ...args], { setpriv: programs.setpriv, place, deathSignal: 'INT', forEngine: true })
  if (!existsSync(join(data, 'PG_VERSION'))) {
    // What a start that was cut off has left.
    rmSync(data, { recursive: true, force: true })
    const password = place.write(join(folder, 'password'), place.secrets.databasePassword)
    const [file = '', ...args] = command(
      programs.initdb,
      '-D',
      data,
      '-U',
      DATABASE,
      '--pwfile',
      password,
      '--auth=scram-sha-256',
      '--data-checksums',
      // What goes with its folder need not outlast a power cut.
      ...(place.isTemporary ? ['--no-sync'] : []),
    )
    const { status, stderr } = spawnSync(file, [...args, '--encoding=UTF8', '--locale=C.UTF-8'], {
      cwd: folder,
      env: ENGINE_ENV,
      encoding: 'utf8',
    })
    rmSync(password)
    if (status !== 0) throw new StartError(`initdb failed: ${stderr.trim()}`)
  }
  const settings = join(folder, 'postgres.conf')
  copyFileSync(join(SETTINGS, 'postgres.conf'), settings)
  // TCP alone: a temporary folder may have a path that is too long for a socket (107 bytes).
  const main = place.write(
    join(folder, 'main.conf'),
    `include '${join(data, 'postgresql.conf')}'\ninclude '${settings}'\nlisten_addresses = '${HOST}'\nport = ${port}\nunix_socket_directories = ''\n`,
  )
  return {
    name: 'postgres',
    command: command(programs.postgres, '-D', data, '-c', `config_file=${main}`),
    env: ENGINE_ENV,
    cwd: folder,
    logFile: place.logFile('postgres'),
    // Fast shutdown: who is connected is cut off, everything is rolled back or written.
    stopSignal: 'SIGINT',
    stopTimeoutMs: 20_000,
    isReady: () => answers(databaseUrl(place, port, 'postgres')),
  }
}

/** Makes the database of a new PostgreSQL. */
export async function createDatabase(place: Place, port: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl(place, port, 'postgres') })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}

/** PgBouncer before a PostgreSQL, for any of its databases. */
export function pgbouncer({ place, programs, port, postgresPort }: EngineOptions & { postgresPort: number }): Program {
  const folder = place.subfolder('pgbouncer', { forEngine: true })
  const users = place.write(join(folder, 'users.txt'), `"${DATABASE}" "${place.secrets.databasePassword}"\n`)
  const settings = join(folder, 'settings.ini')
  copyFileSync(join(SETTINGS, 'pgbouncer.ini'), settings)
  const main = place.write(
    join(folder, 'pgbouncer.ini'),
    `[databases]\n* = host=${HOST} port=${postgresPort}\n\n[pgbouncer]\nlisten_addr = ${HOST}\nlisten_port = ${port}\nauth_file = ${users}\n\n%include ${settings}\n`,
  )
  return {
    name: 'pgbouncer',
    command: bound([programs.pgbouncer, main], { setpriv: programs.setpriv, place, deathSignal: 'INT', forEngine: true }),
    env: ENGINE_ENV,
    cwd: folder,
    logFile: place.logFile('pgbouncer'),
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 5_000,
    isReady: () => answers(databaseUrl(place, port)),
  }
}

/** Redis, or Valkey where that is what is installed. */
export function redis({ place, programs, port }: EngineOptions): Program {
  const folder = place.subfolder('redis', { forEngine: true })
  const settings = join(folder, 'settings.conf')
  copyFileSync(join(SETTINGS, 'redis.conf'), settings)
  const main = place.write(
    join(folder, 'redis.conf'),
    `include ${settings}\nbind ${HOST}\nport ${port}\ndir ${folder}\nrequirepass ${place.secrets.redisPassword}\n`,
  )
  return {
    name: 'redis',
    command: bound([programs.redis, main], { setpriv: programs.setpriv, place, deathSignal: 'TERM', forEngine: true }),
    env: ENGINE_ENV,
    cwd: folder,
    logFile: place.logFile('redis'),
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 10_000,
    async isReady() {
      const client = new Redis(redisUrl(place, port), { lazyConnect: true, retryStrategy: () => null, connectTimeout: 2_000 })
      client.on('error', () => {})
      try {
        await client.connect()
        // Refused while it still loads its file.
        return (await client.ping()) === 'PONG'
      } finally {
        client.disconnect()
      }
    },
  }
}

/** As the settings of Calotype name them. */
export interface S3 {
  endpoint: string
  bucket: string
  region: string
  accessKeyId: string
  secretAccessKey: string
}

/** Its keys are its own and fixed: it is for trying and for tests, on this machine alone. */
export const s3At = (port: number): S3 => ({
  endpoint: `http://${HOST}:${port}`,
  bucket: 'calotype',
  region: 'us-east-1',
  accessKeyId: 'S3RVER',
  secretAccessKey: 'S3RVER',
})

/** s3rver, from the development dependencies. */
export function s3({ place, programs, port }: EngineOptions): Program {
  const folder = place.subfolder('s3')
  const script = join(createRequire(import.meta.url).resolve('s3rver/package.json'), '../bin/s3rver.js')
  const args = [
    '--directory',
    folder,
    '--address',
    HOST,
    '--port',
    String(port),
    '--silent',
    '--no-vhost-buckets',
    '--configure-bucket',
    'calotype',
  ]
  return {
    name: 's3',
    command: bound([process.execPath, '--no-deprecation', '--openssl-legacy-provider', script, ...args], {
      setpriv: programs.setpriv,
      place,
      deathSignal: 'TERM',
      forEngine: false,
    }),
    env: ENGINE_ENV,
    cwd: folder,
    logFile: place.logFile('s3'),
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 3_000,
    isReady: async () => (await fetch(`http://${HOST}:${port}/`)).status < 500,
  }
}
