// The engines that the cluster stands on: found among Debian's packages, or installed where that is allowed.
import { spawnSync } from 'node:child_process'
import { accessSync, chmodSync, constants, existsSync, globSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { StartError } from '../../src/errors.ts'

/** Paths of the programs. */
export interface Programs {
  postgres: string
  initdb: string
  pgbouncer: string
  redis: string
  nginx: string
  setpriv: string
}

const INSTALL = 'apt-get install -y --no-install-recommends'
const PACKAGES = { postgres: 'postgresql', pgbouncer: 'pgbouncer', redis: 'redis-server', nginx: 'nginx-light' } as const
const OLDEST_POSTGRES = 15

/** Finds every program; as root, installs the packages that are missing. Throws StartError with the line to run where it may not. */
export function findPrograms(say: (line: string) => void): Programs {
  if (process.platform !== 'linux') throw new StartError('The cluster runs on Linux: it needs the packages of Debian or a relative of it.')
  let found = lookAround()
  const missing = (Object.keys(PACKAGES) as (keyof typeof PACKAGES)[]).filter((name) => found[name] === undefined)
  if (missing.length > 0) {
    const line = `${INSTALL} ${missing.map((name) => PACKAGES[name]).join(' ')}`
    if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) {
      throw new StartError(`The cluster needs ${missing.join(', ')} from Debian's packages. Install with: sudo ${line}`)
    }
    say(`installing what is missing: ${line}`)
    install(line)
    found = lookAround()
  }
  for (const [name, path] of Object.entries(found)) {
    if (path === undefined)
      throw new StartError(`The cluster needs ${name}, and no package of ${Object.values(PACKAGES).join(', ')} brought it.`)
  }
  return found as Programs
}

/** Where Debian, and others, have Chromium. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Likewise, with what the tests need besides: aiohttp, for the load script, Chromium, for the page, and what watches and misleads processes. */
export function findTestPrograms(say: (line: string) => void): void {
  findPrograms(say)
  const missing: string[] = []
  if (spawnSync('/usr/bin/python3', ['-c', 'import aiohttp']).status !== 0) missing.push('python3-aiohttp')
  if (!CHROMIUM.some(isProgram)) missing.push('chromium')
  for (const name of ['strace', 'faketime']) if (onPath(name) === undefined) missing.push(name)
  if (missing.length === 0) return
  const line = `${INSTALL} ${missing.join(' ')}`
  if (process.getuid?.() !== 0)
    throw new StartError(`The tests need ${missing.join(' and ')} from Debian's packages. Install with: sudo ${line}`)
  say(`installing what is missing: ${line}`)
  install(line)
}

function lookAround(): { [Name in keyof Programs]: string | undefined } {
  // Debian keeps its versions side by side; the newest is taken.
  const [newest] = globSync('/usr/lib/postgresql/*/bin/postgres')
    .map((path) => ({ path, version: Number(path.split('/')[4]) }))
    .filter(({ version }) => version >= OLDEST_POSTGRES)
    .sort((a, b) => b.version - a.version)
  const postgres = newest?.path ?? onPath('postgres')
  return {
    postgres,
    initdb: postgres === undefined ? undefined : join(postgres, '../initdb'),
    pgbouncer: onPath('pgbouncer'),
    redis: onPath('redis-server') ?? onPath('valkey-server'),
    nginx: onPath('nginx'),
    setpriv: onPath('setpriv'),
  }
}

/** Servers live in sbin, which is not on everybody's PATH. */
function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin']
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// Debian asks this file whether a service may start (invoke-rc.d, deb-systemd-invoke); 101 says no.
const POLICY = '/usr/sbin/policy-rc.d'

/** Installs without starting the services that the packages would start on their usual ports. */
function install(line: string): void {
  const ours = !existsSync(POLICY)
  if (ours) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n')
    chmodSync(POLICY, 0o755)
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    // Stdout may be for a program that reads one line of JSON.
    const run = (command: string) =>
      spawnSync('sh', ['-c', `${command} 1>&2`], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
    if (!run(line) && !(run('apt-get update') && run(line))) throw new StartError(`That did not work. Try it by hand: ${line}`)
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}
