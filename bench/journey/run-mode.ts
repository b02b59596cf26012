// One run of the bench: a subject of its own, a client in a process of its own, and what both took until all was developed.
import { join } from 'node:path'
import { runChild, type Taken } from '../run/child.ts'
import type { SentFile } from '../run/multipart.ts'
import { shown } from '../run/progress.ts'
import { limitMs } from './run-bare-loop.ts'
import type { Subject } from '../run/subject.ts'
import type { ClientFindings, ClientInput, Mode } from './upload-client.ts'

const RSS_SAMPLE_MS = 250

export interface Run extends ClientFindings {
  seconds: number
  clientCpuMs: number
  /** Of our processes, and of the engines of a cluster; null where it is not known. */
  cpuMs: number | null
  enginesCpuMs: number | null
  /** Greatest sum of the resident memory of our processes seen, in MB of 1e6 bytes. */
  peakRssMb: number | null
  /** By the clock of CPU profiles, in microseconds. */
  window: { from: number; to: number }
}

export interface Work {
  mode: Mode
  originals: SentFile[]
  warmUp: SentFile[]
  atOnce?: number
  remove?: boolean
  /** Called when the clock starts and when it has stopped. */
  onWindow?(at: 'start' | 'end'): void | Promise<void>
}

/** Requests under way at once, in the modes of one file a request. */
export const REQUESTS_AT_ONCE = 16

const clockUs = () => Number(process.hrtime.bigint() / 1_000n)

/** `name` is shown while it goes on. */
export async function runMode(name: string, subject: Subject, work: Work): Promise<Run> {
  const { mode, originals, warmUp, atOnce = REQUESTS_AT_ONCE, remove = false } = work
  const now = () => ({ cpuMs: subject.cpuMs(), enginesCpuMs: subject.enginesCpuMs(), us: clockUs() })
  let before = now()
  let after = before
  let peakRssMb: number | null = null
  const sample = () => {
    const rssMb = subject.rssMb()
    if (rssMb !== null) peakRssMb = Math.max(peakRssMb ?? 0, rssMb)
  }
  let sampling: NodeJS.Timeout | undefined
  try {
    const client = await shown(name, originals.length, (onProgress) =>
      runChild<ClientInput, Taken & ClientFindings>(
        join(import.meta.dirname, 'upload-client.ts'),
        { url: subject.url, mode, originals, warmUp, atOnce, remove },
        {
          timeoutMs: limitMs(originals.length),
          onProgress,
          async onWarm() {
            await work.onWindow?.('start')
            sampling = setInterval(sample, RSS_SAMPLE_MS)
            before = now()
          },
          async onMeasured() {
            after = now()
            sample()
            clearInterval(sampling)
            await work.onWindow?.('end')
          },
        },
      ),
    )
    const { seconds, cpuMs: clientCpuMs, ...findings } = client
    const since = (of: 'cpuMs' | 'enginesCpuMs') => (after[of] === null || before[of] === null ? null : after[of] - before[of])
    const window = { from: before.us, to: after.us }
    return { ...findings, seconds, clientCpuMs, cpuMs: since('cpuMs'), enginesCpuMs: since('enginesCpuMs'), peakRssMb, window }
  } catch (error) {
    const words = subject.output().slice(-2000)
    throw new Error(`${name}: ${(error as Error).message}${words === '' ? '' : `\nThe server's last words:\n${words}`}`, { cause: error })
  } finally {
    clearInterval(sampling)
  }
}
