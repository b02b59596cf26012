// The memory of a server and of its children while hostile files go in, looked at again and again.
import { readFileSync } from 'node:fs'
import type { Server } from '../server.ts'

const SAMPLE_MS = 50

export interface WatchedProcesses {
  /** Highest resident memory of any child so far, in MB of 1e6 bytes; the kernel's own figure, so that no peak is missed (Linux). */
  childPeakMb(): number
  /** Children seen so far, those that were replaced too. */
  children(): number
  stop(): void
}

export function watchProcesses(server: Server): WatchedProcesses {
  const seen = new Set<number>()
  let peakMb = 0
  const look = () => {
    for (const pid of server.pids()) {
      if (pid === server.pid) continue
      seen.add(pid)
      peakMb = Math.max(peakMb, highestRssMb(pid) ?? server.rssMb(pid))
    }
  }
  const timer = setInterval(look, SAMPLE_MS)
  return {
    childPeakMb: () => peakMb,
    children: () => seen.size,
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
