// What processes and all below them take, from /proc: of engines whose children leave their group, and of a server that runs already.
import { readdirSync, readFileSync } from 'node:fs'

/** One tick of the times in /proc: 1/100 s on every Linux that Node runs on (`getconf CLK_TCK`). */
const TICK_MS = 10

export interface TreeUsage {
  processes: number
  /** Ended ones that were waited for among them. */
  cpuMs: number
  /** MB of 1e6 bytes. */
  rssMb: number
}

/** Of the processes with these ids and their children, and theirs. Without /proc (macOS) nothing is found. */
export function usageOfTrees(roots: number[]): TreeUsage {
  const all = new Map<number, { parent: number; cpuMs: number; rssMb: number }>()
  for (const name of readProcesses()) {
    try {
      // proc(5): the command in parentheses may hold anything; behind it come the fields from the third (state) on.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const field = (number: number) => Number(fields[number - 3])
      const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1] ?? 0)
      const cpuMs = (field(14) + field(15) + field(16) + field(17)) * TICK_MS
      all.set(Number(name), { parent: field(4), cpuMs, rssMb: (rssKib * 1024) / 1e6 })
    } catch {
      // It ended while we looked.
    }
  }
  const isBelow = (pid: number): boolean => roots.includes(pid) || (all.has(pid) && isBelow(all.get(pid)!.parent))
  const found = [...all].filter(([pid]) => isBelow(pid)).map(([, usage]) => usage)
  return {
    processes: found.length,
    cpuMs: found.reduce((sum, usage) => sum + usage.cpuMs, 0),
    rssMb: found.reduce((sum, usage) => sum + usage.rssMb, 0),
  }
}

function readProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d/.test(name))
  } catch {
    return []
  }
}
