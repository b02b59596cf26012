// What the system says of processes, for tests and the bench: from /proc on Linux, from `ps` on macOS.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessEntry {
  pid: number
  cpuMs: number
  /** Of children that ended and were waited for; 0 where the system doesn't tell (macOS). */
  endedChildrenCpuMs: number
  /** MB of 1e6 bytes. */
  rssMb: number
}

interface Listed extends ProcessEntry {
  parent: number
  group: number
}

/** The living processes of process groups and their children, which may have groups of their own: leaders first, then by pid. */
export function processesOfGroup(...groups: number[]): ProcessEntry[] {
  const all = new Map((process.platform === 'linux' ? fromProc() : fromPs()).map((entry) => [entry.pid, entry]))
  const belongs = (entry: Listed | undefined): boolean =>
    entry !== undefined && (groups.includes(entry.group) || belongs(all.get(entry.parent)))
  const entries = [...all.values()].filter(belongs)
  return entries.sort((a, b) => Number(groups.includes(b.pid)) - Number(groups.includes(a.pid)) || a.pid - b.pid)
}

/** Whether a process is alive; one that nobody has waited for yet is not. */
export const isAlive = (pid: number) =>
  (process.platform === 'linux' ? fromProc([String(pid)]) : fromPs()).some((entry) => entry.pid === pid)

/** One tick of the times in /proc: 1/100 s on every Linux that Node runs on (`getconf CLK_TCK`). */
const TICK_MS = 10

function fromProc(names: string[] = readdirSync('/proc')): Listed[] {
  const entries: Listed[] = []
  for (const name of names) {
    if (!/^\d/.test(name)) continue
    try {
      // proc(5): the command in parentheses may hold anything; behind it come the fields from the third (state) on.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const field = (number: number) => Number(fields[number - 3])
      if (fields[0] === 'Z') continue
      const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1] ?? 0)
      entries.push({
        pid: Number(name),
        parent: field(4),
        group: field(5),
        cpuMs: (field(14) + field(15)) * TICK_MS,
        endedChildrenCpuMs: (field(16) + field(17)) * TICK_MS,
        rssMb: (rssKib * 1024) / 1e6,
      })
    } catch {
      // It ended while we looked.
    }
  }
  return entries
}

function fromPs(): Listed[] {
  const entries: Listed[] = []
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=,rss=,cputime='], { encoding: 'utf8' }).trim().split('\n')) {
    const [pid, parent, group, state, rssKib, time] = line.trim().split(/\s+/) as [string, string, string, string, string, string]
    if (state.startsWith('Z')) continue
    const seconds = time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
    const ids = { pid: Number(pid), parent: Number(parent), group: Number(group) }
    entries.push({ ...ids, cpuMs: seconds * 1000, endedChildrenCpuMs: 0, rssMb: (Number(rssKib) * 1024) / 1e6 })
  }
  return entries
}
