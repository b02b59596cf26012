// What a child of the process step may not do, asked of the system before it starts: docs/decisions/0015-confinement.md.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { getPriority } from 'node:os'
import { delimiter, join } from 'node:path'

export interface Confinement {
  /** Goes before the command of the child, which keeps the process id it is started with. */
  command: string[]
  /** What this system doesn't grant, for the log. */
  missing: string[]
}

/** Written by a child to one file: far above what any output may be. */
const MAX_WRITTEN_BYTES = 256 * 2 ** 20
/** Open at once; an idle child has 23. */
const MAX_OPEN_FILES = 128
/** Writable memory of an idle child, the stacks of its threads and the room of V8 counted whole: 654 MB measured. */
const IDLE_DATA_BYTES = 2 ** 30
/** What the dearest format takes for a pixel, an AVIF of more than 8 bits (memory-estimate.ts), and a tenth more. */
const MOST_BYTES_A_PIXEL = 40
/** Of 1000 (proc_pid_oom_score_adj(5)). */
const FIRST_TO_GO = 500
/** Of -20 to 19: who answers people, and the database beside it, comes first. */
const CHILD_NICENESS = 10
const PROBE_TIMEOUT_MS = 5_000

/**
 * The means of this system, tried together; where that fails each is, and left out if it fails. A child that decodes an image within
 * the limits never meets them; one whose decoder runs wild ends there instead of taking the machine along. Rejects where the system
 * starts no process at the moment: what it grants can't be known then.
 */
export async function confine(maxPixels: number, memoryBytes: number): Promise<Confinement> {
  const dataBytes = IDLE_DATA_BYTES + Math.max(memoryBytes, maxPixels * MOST_BYTES_A_PIXEL)
  const candidates: [what: string, command: string[] | null][] = [
    ['low priority', lowPriority()],
    ['no network', onLinux('unshare', isRoot() ? ['--net', '--ipc', '--'] : ['--map-current-user', '--net', '--ipc', '--'])],
    ['no privileges', onLinux('setpriv', [...dropping(), '--no-new-privs', '--pdeathsig', 'KILL', '--'])],
    ['limits', limits(dataBytes)],
  ]
  const all = candidates.flatMap(([, means]) => means ?? [])
  // Nearly everywhere, and each try starts programs and makes a network.
  if (await works(all)) return { command: all, missing: candidates.flatMap(([what, means]) => (means ? [] : [what])) }
  const command: string[] = []
  const missing: string[] = []
  for (const [what, means] of candidates) {
    if (means && (await works([...command, ...means]))) command.push(...means)
    else missing.push(what)
  }
  return { command, missing }
}

const isRoot = () => process.getuid?.() === 0

/** Of root's privileges the one remains by which it reads and writes what belongs to others, as it did before. */
const dropping = () => (isRoot() ? ['--inh-caps=-all', '--bounding-set=-all,+dac_override'] : [])

/** The shell is everywhere, `prlimit` is not. Its units: blocks of 512 bytes for files, KiB for memory, which macOS doesn't limit. */
const limits = (dataBytes: number) => [
  '/bin/sh',
  '-c',
  // Where memory ends, the kernel is to end a child and not the server.
  `{ echo ${FIRST_TO_GO} > /proc/self/oom_score_adj; } 2>/dev/null; ulimit -c 0 && ulimit -n ${MAX_OPEN_FILES} && ulimit -f ${MAX_WRITTEN_BYTES / 512} && { ulimit -d ${Math.ceil(dataBytes / 1024)} 2>/dev/null || :; } && exec "$@"`,
  'sh',
]

/** Never less nice than this process, which may be nicer: that would take a right. `nice` goes on where the system refuses. */
function lowPriority(): string[] | null {
  const more = CHILD_NICENESS - getPriority()
  return more > 0 ? withProgram('nice', ['-n', String(more)]) : []
}

const onLinux = (name: string, args: string[]) => (process.platform === 'linux' ? withProgram(name, args) : null)

function withProgram(name: string, args: string[]): string[] | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/bin']) {
    try {
      accessSync(join(folder || '.', name), constants.X_OK)
      return [join(folder || '.', name), ...args]
    } catch {
      // In another folder, or nowhere.
    }
  }
  return null
}

/** Of spawn: there may be a process later. */
const PASSING = /\b(EAGAIN|ENOMEM|EMFILE|ENFILE)\b/

/** Rejects where that can't be said: no process can be started, or it was killed, by the time limit or for want of memory. */
function works(means: string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = [...means, '/bin/sh', '-c', 'exit 0']
    // Some errors of the system are thrown here.
    const probe = spawn(file, args, { stdio: 'ignore', timeout: PROBE_TIMEOUT_MS, killSignal: 'SIGKILL', env: {} })
    probe.on('error', (error) => (PASSING.test(error.message) ? reject(error) : resolve(false)))
    probe.on('exit', (code, signal) => (signal === 'SIGKILL' ? reject(new Error(signal)) : resolve(code === 0)))
  })
}
