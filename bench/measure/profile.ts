// Reads a CPU profile as V8 writes it (.cpuprofile): how long each function ran itself, and what called it.
import { fileURLToPath } from 'node:url'
import { join, relative } from 'node:path'

const CLONE = join(import.meta.dirname, '../..')

/** A function in the tree of calls. */
export interface Frame {
  name: string
  /** Where it is, for people: `src/receive/incoming-file.ts`, a package, `node:fs`, or `(garbage collector)`. */
  place: string
  selfMs: number
  totalMs: number
  calls: Frame[]
}

export interface Profile {
  root: Frame
}

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[]
  startTime: number
  samples: number[]
  timeDeltas: number[]
}

/** What was sampled within a window of time, in microseconds by the clock of `process.hrtime`. */
export function readProfile(text: string, window: { from: number; to: number }): Profile {
  const { nodes, startTime, samples, timeDeltas } = JSON.parse(text) as CpuProfile
  const selfUs = new Map<number, number>()
  let at = startTime
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0
    at += delta
    if (at >= window.from && at <= window.to) selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, delta))
  }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const toFrame = (id: number): Frame => {
    const { callFrame, children = [] } = byId.get(id)!
    const calls = children.map(toFrame).filter(({ totalMs }) => totalMs > 0)
    const selfMs = (selfUs.get(id) ?? 0) / 1000
    const totalMs = calls.reduce((sum, call) => sum + call.totalMs, selfMs)
    return { name: callFrame.functionName || `(line ${callFrame.lineNumber + 1})`, place: placeOf(callFrame), selfMs, totalMs, calls }
  }
  return { root: toFrame(nodes[0]!.id) }
}

function placeOf({ functionName, url }: { functionName: string; url: string }): string {
  if (url === '') return functionName.startsWith('(') ? functionName : '(native)'
  if (!url.startsWith('file:')) return url
  const path = relative(CLONE, fileURLToPath(url))
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path
}

/** Waiting is no time that is taken. */
const IDLE = new Set(['(idle)', '(root)'])

/** Functions, or the places they are in, by the time they ran themselves; the longest first. */
export function selfTimes({ root }: Profile, by: 'group' | 'function'): { name: string; ms: number }[] {
  const times = new Map<string, number>()
  const add = ({ name, place, selfMs, calls }: Frame) => {
    const key = by === 'group' || place === name ? place : `${name}  ${place}`
    if (!IDLE.has(name)) times.set(key, (times.get(key) ?? 0) + selfMs)
    calls.forEach(add)
  }
  add(root)
  return [...times]
    .map(([name, ms]) => ({ name, ms }))
    .filter(({ ms }) => ms > 0)
    .sort((a, b) => b.ms - a.ms)
}
