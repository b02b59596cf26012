// A process like a child of the process step that only judges headers, and tells what each cost it.
import type { ErrorCode } from '../../../src/error-codes.ts'
import { CalotypeError } from '../../../src/errors.ts'
import type { Format } from '../../../src/image.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { prepareDecoder, warmUp } from '../../../src/process/child/decoder.ts'
import { readHeader } from '../../../src/process/checks/header.ts'
import { PRESETS } from '../../../src/rendition/presets.ts'

export interface ToJudge {
  path: string
  format: Format
}

export interface Judged {
  code: ErrorCode | 'accepted'
  /** Of the whole process, all its threads; the fastest of the rounds, for others share the machine. */
  cpuMs: number
  /** Resident memory at its highest above what it was before, in MB of 1e6 bytes; 0 where the system doesn't tell (macOS). */
  peakMb: number
}

const MAX_PIXELS = 50_000_000
const ROUNDS = 5
/** Of what is made of uploads, the widest. */
const WIDEST = Math.max(...Object.values(PRESETS).map(({ width }) => width))

function memoryMb(field: 'VmRSS' | 'VmHWM'): number {
  try {
    return (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024) / 1e6
  } catch {
    return 0
  }
}

/** proc(5): makes the highest resident memory the one of now. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // No /proc.
  }
}

async function judge({ path, format }: ToJudge): Promise<Judged> {
  forgetPeak()
  const [before, cpu] = [memoryMb('VmRSS'), process.cpuUsage()]
  const code = await readHeader(path, format, MAX_PIXELS, WIDEST).then(
    () => 'accepted' as const,
    (error: unknown) => (error instanceof CalotypeError ? error.code : 'internal'),
  )
  const { user, system } = process.cpuUsage(cpu)
  return { code, cpuMs: (user + system) / 1000, peakMb: Math.max(0, memoryMb('VmHWM') - before) }
}

process.once('disconnect', () => process.exit())
async function judgeAll({ warm, files }: { warm: ToJudge[]; files: ToJudge[] }): Promise<void> {
  prepareDecoder()
  await warmUp()
  for (const file of warm) await judge(file)
  const judged: Judged[] = []
  for (const file of files) {
    const first = await judge(file)
    for (let round = 1; round < ROUNDS; round++) first.cpuMs = Math.min(first.cpuMs, (await judge(file)).cpuMs)
    judged.push(first)
  }
  process.send?.(judged)
}

process.on('message', (message: Parameters<typeof judgeAll>[0]) => void judgeAll(message))
