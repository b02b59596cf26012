// The most memory each process of the cluster had while something went on, watched from outside.
import type { MemberReport } from '../../scripts/cluster/topology.ts'
import { processesOfGroup } from '../../test/support/servers/processes.ts'

const SAMPLE_MS = 200

export interface PeakMemory {
  /** `api-1`, `worker-1`, or `worker-1 child`. */
  process: string
  pid: number
  /** Resident, in MB of 1e6 bytes. */
  rssMb: number
}

/** Watches the API servers, the workers and their children until `stop`, which gives the largest first, or the end of its block. */
export function watchMemory(members: MemberReport[]): Disposable & { stop(): PeakMemory[] } {
  const ours = members.filter(({ name }) => /^(api|worker)-/.test(name))
  const peaks = new Map<number, PeakMemory>()
  const sample = () => {
    for (const { name, pid: leader } of ours) {
      if (leader === null) continue
      for (const { pid, rssMb } of processesOfGroup(leader)) {
        const before = peaks.get(pid)?.rssMb ?? 0
        if (rssMb > before) peaks.set(pid, { process: pid === leader ? name : `${name} child`, pid, rssMb })
      }
    }
  }
  const sampling = setInterval(sample, SAMPLE_MS)
  sample()
  return {
    stop() {
      clearInterval(sampling)
      sample()
      return [...peaks.values()].sort((a, b) => b.rssMb - a.rssMb)
    },
    [Symbol.dispose]: () => clearInterval(sampling),
  }
}
