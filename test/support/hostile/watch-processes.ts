// The memory of servers and workers and of their children while hostile files go in, looked at again and again.
import { readFileSync } from 'node:fs'
import { processesOfGroup } from '../servers/processes.ts'

const SAMPLE_MS = 50

export interface WatchedProcesses {
  /** Highest resident memory of any child so far, in MB of 1e6 bytes; the kernel's own figure, so that no peak is missed (Linux). */
  childPeakMb(): number
  /** Children seen so far, those that were replaced too. */
  children(): number
  /** Resident memory of the others now, by name, in MB. */
  serversMb(): Map<string, number>
  stop(): void
}

/** `servers`: process ids by name, whose children are watched with them. */
export function watchProcesses(servers: Map<string, number>): WatchedProcesses {
  const leaders = [...servers.values()]
  const seen = new Set<number>()
  let peakMb = 0
  const look = () => {
    const processes = processesOfGroup(...leaders)
    for (const { pid, rssMb } of processes) {
      if (leaders.includes(pid)) continue
      seen.add(pid)
      peakMb = Math.max(peakMb, highestRssMb(pid) ?? rssMb)
    }
    return processes
  }
  const timer = setInterval(look, SAMPLE_MS)
  return {
    childPeakMb: () => peakMb,
    children: () => seen.size,
    serversMb() {
      const processes = look()
      return new Map([...servers].map(([name, pid]) => [name, processes.find((entry) => entry.pid === pid)?.rssMb ?? Number.NaN]))
    },
    stop() {
      look()
      clearInterval(timer)
    },
  }
}

/** VmHWM of proc(5); null without /proc, or when it has ended. */
function highestRssMb(pid: number): number | null {
  try {
    const kib = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? null : (Number(kib) * 1024) / 1e6
  } catch {
    return null
  }
}
