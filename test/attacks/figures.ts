// What an attack costs everybody else: memory, open files and the answers of /healthz, sampled while it runs; a line of the table.
import { readdirSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { MARK } from '../support/figures-mark.ts'
import type { Server } from '../support/servers/server.ts'

export { longTest, ROUNDS } from '../support/long-form.ts'

export interface Watched {
  seconds: number
  /** Resident memory of the server process without its children, in MB of 1e6 bytes. */
  rssBeforeMb: number
  rssPeakMb: number
  /** The least within `settleMs` of the end. */
  rssAfterMb: number
  descriptorsBefore: number
  descriptorsPeak: number
  descriptorsAfter: number
  /** Of /healthz, asked over a new connection every 50 ms. */
  healthzP50Ms: number
  healthzP99Ms: number
  /** How many of those requests had an error or no answer within 60 s. */
  healthzUnanswered: number
}

const SAMPLE_MS = 50
const ANSWER_MS = 60_000

const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN
}

/**
 * Samples a server while `attack` runs, and afterwards for up to `settleMs` until its memory and descriptors have come back near to what
 * they were. `url` is where /healthz is asked, if not at the server itself.
 */
export async function watch(
  server: Pick<Server, 'pid' | 'rssMb' | 'url'>,
  attack: () => Promise<void>,
  { settleMs = 10_000, url = server.url }: { settleMs?: number; url?: string } = {},
): Promise<Watched> {
  const rss = () => server.rssMb(server.pid)
  const before = { rss: rss(), descriptors: descriptors(server.pid) }
  const peak = { ...before }
  const tookMs: number[] = []
  let unanswered = 0
  let running = true
  const sample = () => {
    peak.rss = Math.max(peak.rss, rss())
    peak.descriptors = Math.max(peak.descriptors, descriptors(server.pid))
  }
  const ask = async () => {
    const startedAt = performance.now()
    try {
      const answer = await fetch(`${url}/healthz`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(ANSWER_MS) })
      await answer.arrayBuffer()
      tookMs.push(performance.now() - startedAt)
    } catch {
      unanswered++
    }
  }
  const asking: Promise<void>[] = []
  const watching = (async () => {
    while (running) {
      sample()
      asking.push(ask())
      await wait(SAMPLE_MS)
    }
  })()
  const startedAt = performance.now()
  try {
    await attack()
  } finally {
    running = false
    await watching
    await Promise.all(asking)
  }
  const seconds = (performance.now() - startedAt) / 1000
  const after = { rss: rss(), descriptors: descriptors(server.pid) }
  const settledAt = performance.now() + settleMs
  while (performance.now() < settledAt && (after.rss > before.rss * 1.1 || after.descriptors > before.descriptors)) {
    await wait(SAMPLE_MS * 4)
    after.rss = Math.min(after.rss, rss())
    after.descriptors = Math.min(after.descriptors, descriptors(server.pid))
  }
  return {
    seconds: Math.round(seconds * 10) / 10,
    rssBeforeMb: Math.round(before.rss),
    rssPeakMb: Math.round(peak.rss),
    rssAfterMb: Math.round(after.rss),
    descriptorsBefore: before.descriptors,
    descriptorsPeak: peak.descriptors,
    descriptorsAfter: after.descriptors,
    healthzP50Ms: Math.round(quantile(tookMs, 0.5)),
    healthzP99Ms: Math.round(quantile(tookMs, 0.99)),
    healthzUnanswered: unanswered,
  }
}

/** Tells the runner a line of its table; without figures, a note below it. */
export function tellAttack(t: TestContext, attack: string, topology: string, watched: Watched | null, note?: string): void {
  t.diagnostic(MARK + JSON.stringify({ attack, topology, ...watched, ...(note !== undefined && { note }) }))
}
