// The CPU time of every thread of some processes, summed by what the threads are for; from /proc, so on Linux alone.
import { readdirSync, readFileSync } from 'node:fs'

/** Name to milliseconds. */
export type ThreadTimes = Map<string, number>

const TICK_MS = 10

/** By the names that Node, V8 and libvips give their threads. Null for what is only there to profile. */
function roleOf(name: string, isServer: boolean, isMain: boolean): string | null {
  if (isMain) return 'main: JavaScript'
  if (name === 'libuv-worker') return isServer ? 'libuv pool: files' : 'libuv pool: files, encoders'
  if (name === 'v8:ProfEvntProc') return null
  if (/^V8|DelayedTaskSche/.test(name)) return 'V8: garbage collection, compiling'
  if (/worker/i.test(name)) return isServer ? 'worker threads: SQLite' : 'libvips: decoders, scaling'
  return `others (${name})`
}

/** The server is the first of the processes; the others are its children. */
export function threadTimes(pids: number[]): ThreadTimes {
  const times: ThreadTimes = new Map()
  for (const [index, pid] of pids.entries()) {
    try {
      for (const tid of readdirSync(`/proc/${pid}/task`)) {
        const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8')
        // proc(5): the command in parentheses may hold anything.
        const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS
        const role = roleOf(name, index === 0, tid === String(pid))
        if (role === null) continue
        const whose = `${index === 0 ? 'server' : 'children'}, ${role}`
        times.set(whose, (times.get(whose) ?? 0) + cpuMs)
      }
    } catch {
      // It ended while we looked, or there is no /proc.
    }
  }
  return times
}
