// Group commit: whatever waits while one transaction runs goes into the next, in one. No delay when idle, larger groups under load.
import { setTimeout as sleep } from 'node:timers/promises'
import { toCalotypeError } from '../errors.ts'

// After so many waits in a row that nobody joined, the next groups go at once: 15 of them, and 31, 63, 63, … after each further one.
const MIN_VAIN_WAITS = 4
const MAX_UNDELAYED = 63
// A wait that began late in its interval says little about who is coming.
const MIN_TELLING_SHARE = 0.6

interface Waiting<In, Out> {
  item: In
  maxDelayMs: number
  resolve: (out: Out) => void
  reject: (error: unknown) => void
}

/**
 * `commit` gets up to `maxItems` items and returns their results in the same order, in one transaction. When a group fails, each
 * of its items is tried alone, so that one bad item fails only itself. A group of items that can all wait begins so long after the one
 * before as the most impatient of them can; a full one at once. Waits that nobody joins become rare: who sends one item after the other,
 * each once the one before is done, is delayed for only a few of them.
 */
export function groupCommit<In, Out>(
  commit: (items: In[]) => Promise<Out[]>,
  maxItems: number,
): (item: In, maxDelayMs?: number) => Promise<Out> {
  const waiting: Waiting<In, Out>[] = []
  let running = false
  let begunAt = -Infinity
  let pausing = new AbortController()
  let vainWaits = 0
  /** Groups that are to go at once, although their items can wait. */
  let undelayed = 0

  /** Delays the next group for the company of others, unless nobody joined the last ones. */
  async function waitForOthers(): Promise<void> {
    if (undelayed > 0) return void undelayed--
    const [before, from] = [waiting.length, performance.now()]
    const maxDelayMs = Math.min(...waiting.map((one) => one.maxDelayMs))
    await pause()
    if (waiting.length > before) vainWaits = 0
    else if (performance.now() - from >= maxDelayMs * MIN_TELLING_SHARE) {
      if (++vainWaits >= MIN_VAIN_WAITS) undelayed = Math.min(2 ** vainWaits - 1, MAX_UNDELAYED)
    }
  }

  /** Ends early when the group is full, or an item comes that can't wait so long. */
  async function pause(): Promise<void> {
    for (;;) {
      if (waiting.length >= maxItems) return
      const ms = begunAt + Math.min(...waiting.map((one) => one.maxDelayMs)) - performance.now()
      if (ms <= 0) return
      pausing = new AbortController()
      await sleep(ms, undefined, { signal: pausing.signal }).catch(() => {})
    }
  }

  async function settle(group: Waiting<In, Out>[]): Promise<void> {
    try {
      const results = await commit(group.map((one) => one.item))
      group.forEach((one, at) => one.resolve(results[at]!))
    } catch (error) {
      // A database that is away would refuse each of them as well, one time-out after the other.
      if (group.length === 1 || toCalotypeError(error).code === 'database_unavailable') return group.forEach((one) => one.reject(error))
      for (const one of group) await settle([one])
    }
  }

  async function drain() {
    running = true
    while (waiting.length > 0) {
      if (waiting.length < maxItems && waiting.every((one) => one.maxDelayMs > 0)) await waitForOthers()
      begunAt = performance.now()
      await settle(waiting.splice(0, maxItems))
    }
    running = false
  }

  return (item, maxDelayMs = 0) =>
    new Promise<Out>((resolve, reject) => {
      const isMostImpatient = waiting.every((one) => maxDelayMs < one.maxDelayMs)
      waiting.push({ item, maxDelayMs, resolve, reject })
      if (!running) void drain()
      else if (isMostImpatient || waiting.length === maxItems) pausing.abort()
    })
}
