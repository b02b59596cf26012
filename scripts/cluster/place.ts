// Where the cluster lives: its folder, the user its engines run as, its secrets and its ports.
import { spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { StartError } from '../../src/errors.ts'

export const HOST = '127.0.0.1'

interface User {
  name: string
  uid: number
  gid: number
}

/** Everything that the members of one cluster share. */
export interface Place {
  /** Absolute. */
  folder: string
  isTemporary: boolean
  /** The user the engines run as; undefined: whoever started the cluster. */
  user: User | undefined
  secrets: Secrets
  /** A folder of the place, made if need be; `forEngine`: owned by the engines' user, closed to others. */
  subfolder(name: string, options?: { forEngine: boolean }): string
  /** Writes a file that only the engines' user, or we, may read. Returns its path. */
  write(path: string, content: string): string
  logFile(member: string): string
  /** Takes a temporary folder away. */
  remove(): void
}

export interface Secrets {
  databasePassword: string
  redisPassword: string
}

// PostgreSQL and PgBouncer refuse to run as root.
const ENGINE_USERS = ['postgres', 'redis', 'www-data', 'nobody']

/** Opens a folder, made if need be, or a temporary one. Throws StartError if the engines could not work there. */
export function openPlace(given: string | undefined, setpriv: string): Place {
  const user = process.getuid?.() === 0 ? engineUser() : undefined
  const folder = given === undefined ? mkdtempSync(join(tmpdir(), 'calotype-cluster-')) : resolve(given)
  const isTemporary = given === undefined
  mkdirSync(folder, { recursive: true })
  const remove = () => {
    if (isTemporary) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
  const own = (path: string, mode: number) => {
    if (user !== undefined) chownSync(path, user.uid, user.gid)
    chmodSync(path, mode)
  }
  if (user !== undefined) {
    // To pass through, not to look around.
    chmodSync(folder, 0o711)
    const reaches = spawnSync(setpriv, [...asUser(user), 'test', '-x', folder]).status === 0
    if (!reaches) {
      remove()
      throw new StartError(`The engines run as ${user.name}, who may not enter ${folder}. Choose a --folder outside of a private one.`)
    }
  }
  const subfolder: Place['subfolder'] = (name, { forEngine } = { forEngine: false }) => {
    const path = join(folder, name)
    mkdirSync(path, { recursive: true })
    if (forEngine) own(path, 0o700)
    return path
  }
  const write: Place['write'] = (path, content) => {
    writeFileSync(path, content)
    own(path, 0o600)
    return path
  }
  return {
    folder,
    isTemporary,
    user,
    secrets: readSecrets(join(folder, 'secrets.json')),
    subfolder,
    write,
    logFile: (member) => join(subfolder('log'), `${member}.log`),
    remove,
  }
}

function engineUser(): User {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ENGINE_USERS) {
    const [, , uid, gid] = users.find(([user]) => user === name) ?? []
    if (uid !== undefined) return { name, uid: Number(uid), gid: Number(gid) }
  }
  throw new StartError(`PostgreSQL does not run as root, and there is none of the users ${ENGINE_USERS.join(', ')}.`)
}

const asUser = ({ uid, gid }: User) => [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']

/**
 * The command, run so that it gets `deathSignal` when this process ends, however that is (prctl(2), PR_SET_PDEATHSIG); as the
 * engines' user if `forEngine`, who may then open `port` even below 1024.
 */
export function bound(
  command: string[],
  {
    setpriv,
    place,
    deathSignal,
    forEngine,
    port,
  }: { setpriv: string; place: Place; deathSignal: string; forEngine: boolean; port?: number },
): string[] {
  const user = forEngine && place.user !== undefined ? asUser(place.user) : []
  const caps = user.length > 0 && (port ?? 1024) < 1024 ? ['--inh-caps=+net_bind_service', '--ambient-caps=+net_bind_service'] : []
  return [setpriv, ...user, ...caps, `--pdeathsig=${deathSignal}`, '--', ...command]
}

function readSecrets(path: string): Secrets {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Secrets
  const random = () => randomBytes(24).toString('base64url')
  const secrets = { databasePassword: random(), redisPassword: random() }
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 })
  return secrets
}

/**
 * Ports from here up to those that the kernel hands out by itself, for connections too (Linux: ip_local_port_range; IANA: from
 * 49,152). One of those may be taken between the moment it is found free and the start of its server.
 */
function assignablePorts(): { first: number; count: number } {
  const first = 10_000
  let end = 49_152
  try {
    end = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0])
  } catch {
    // Not Linux.
  }
  return { first, count: Math.max(end - first, 10_000) }
}

/** So many ports of this machine that are free now, all different; the kernel gives them to nobody who does not ask for them. */
export async function freePorts(count: number): Promise<number[]> {
  const range = assignablePorts()
  const held = new Map<number, Server>()
  while (held.size < count) {
    const port = range.first + randomInt(range.count)
    const server = createServer().listen(port, HOST)
    if (await once(server, 'listening').catch(() => null)) held.set(port, server)
  }
  await Promise.all([...held.values()].map((server) => new Promise((done) => server.close(done))))
  return [...held.keys()]
}

/** Throws StartError if the port can't be had. */
export async function checkPort(port: number): Promise<void> {
  const server = createServer().listen(port, HOST)
  try {
    await once(server, 'listening')
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'EACCES' ? 'may not be opened by this user' : 'is taken'
    throw new StartError(`Port ${port} ${why}. Choose another --port, or none for a free one.`, { cause: error })
  }
  await new Promise((done) => server.close(done))
}
