// Environments in which operators start servers, as commands that go before the server's own: priorities, filters, namespaces, limits.
import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'

export interface Environment {
  name: string
  /** Goes before the command of the server. */
  through: string[]
  /** Uid and gid of the server, if it is not to be the user of the tests. */
  user?: number
  /** The command stays, as the parent of the server, instead of becoming it. */
  staysParent?: boolean
}

/** No account has this number, so that no other process counts against its limits. */
const USER = 61_000 + (process.pid % 4_000)
const isRoot = process.getuid?.() === 0

const asUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--']
const inMounts = (script: string) => ['unshare', '--mount', '--', '/bin/sh', '-c', `${script} && exec "$@"`, 'sh']

/** Numbers of system calls on x86-64 and arm64. */
const CALLS = { setpriority: [141, 140], sched_setattr: [314, 274], unshare: [272, 97], capset: [126, 91], clone3: [435, 435] } as const

/** seccomp(2): SECCOMP_RET_KILL_PROCESS, and SECCOMP_RET_ERRNO with EPERM and ENOSYS. */
const ACTIONS = { kills: 0x80000000, refuses: 0x00050001, lacks: 0x00050026 }

/**
 * A filter of system calls, as systemd's SystemCallFilter= and container engines set it. It is loaded by Python, which the tests of the
 * cluster need anyway: Debian 12 has no smaller program that loads one.
 */
function filtered(action: keyof typeof ACTIONS, ...names: (keyof typeof CALLS)[]): string[] {
  const numbers = names.map((name) => CALLS[name][process.arch === 'arm64' ? 1 : 0])
  const script = `
import ctypes, os, struct, sys
def op(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = op(0x20, 0, 0, 0)
for call in [${numbers.join()}]: program += op(0x15, 0, 1, call) + op(0x06, 0, 0, ${ACTIONS[action]})
program += op(0x06, 0, 0, 0x7fff0000)
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(program) // 8, ctypes.addressof(buffer)))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0): sys.exit('no filter: ' + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
`
  return ['python3', '-c', script]
}

export const nice = (level: number): Environment => ({ name: `nice ${level}`, through: ['nice', '-n', String(level)] })

/** Of somebody without privileges: of the user of the tests, if that one has none. */
export const unprivileged = (through: string[], name = 'without privileges'): Environment =>
  isRoot ? { name, through: [...asUser, ...through], user: USER } : { name, through }

export const niceWithoutPrivileges = (level: number): Environment =>
  unprivileged(['nice', '-n', String(level)], `nice ${level}, without privileges`)

/** `most`: processes and threads that the user of the server may have. */
export const withProcesses = (most: number): Environment => ({
  ...unprivileged([], `RLIMIT_NPROC ${most}`),
  through: ['prlimit', `--nproc=${most}`, '--', ...asUser],
})

/** Nothing is at the place of the libraries of sharp until `mend` is called with the process. Takes root. */
export const WITHOUT_SHARP = {
  name: 'without the libraries of sharp',
  through: inMounts(`mount -t tmpfs none ${realpathSync(join(import.meta.dirname, '../../node_modules/@img'))}`),
  mend(pid: number) {
    const { status, stderr } = spawnSync('nsenter', [
      '--mount',
      `--target=${pid}`,
      '--',
      'umount',
      realpathSync(join(import.meta.dirname, '../../node_modules/@img')),
    ])
    if (status !== 0) throw new Error(`The libraries of sharp are not back: ${stderr.toString()}`)
  },
}

/** All of them can develop images. They take root, as they make namespaces. */
export const ENVIRONMENTS: Environment[] = [
  { name: 'seccomp refuses priorities', through: filtered('refuses', 'setpriority', 'sched_setattr') },
  { name: 'seccomp kills for priorities', through: filtered('kills', 'setpriority', 'sched_setattr') },
  { name: 'seccomp refuses namespaces', through: filtered('refuses', 'unshare') },
  { name: 'seccomp kills for namespaces', through: filtered('kills', 'unshare') },
  { name: 'seccomp kills for capabilities', through: filtered('kills', 'capset') },
  { name: 'seccomp without clone3', through: filtered('lacks', 'clone3') },
  { name: 'root without capabilities', through: ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'] },
  {
    name: 'no user namespaces',
    through: [
      ...['unshare', '--user', '--map-root-user', '--', '/bin/sh', '-c'],
      ...['echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh', 'setpriv', '--bounding-set=-all', '--'],
    ],
  },
  { name: 'no /proc', through: inMounts('mount -t tmpfs none /proc') },
  { name: 'read-only /proc', through: inMounts('mount --bind /proc /proc && mount -o remount,bind,ro /proc') },
  { name: 'read-only /tmp', through: inMounts('mount -t tmpfs -o ro none /tmp') },
  { name: 'process 1 without init', through: ['unshare', '--pid', '--fork', '--mount-proc', '--'], staysParent: true },
  {
    name: 'below an init',
    through: ['unshare', '--pid', '--fork', '--mount-proc', '--', '/bin/sh', '-c', '"$@"; exit $?', 'sh'],
    staysParent: true,
  },
]

/** Gives a folder to the user of an environment. */
export function own({ user }: Environment, folder: string): void {
  if (user !== undefined) spawnSync('chown', ['-R', `${user}:${user}`, folder])
}
