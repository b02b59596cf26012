// How long nothing comes out while hostile files wait, seen from the rows.
import { setTimeout as wait } from 'node:timers/promises'
import { type DataAt, query } from '../servers/data-dir.ts'

const SAMPLE_MS = 100

export interface WatchedOutcomes {
  /** The longest that no image ended although some waited: with as many children as cores, none can be late for longer. */
  longestSilenceMs(): number
  stop(): Promise<void>
}

export function watchOutcomes(at: DataAt): WatchedOutcomes {
  let [watching, longestMs, outcomeAt, outcomes] = [true, 0, performance.now(), 0]
  const count = async (...statuses: string[]) => {
    const list = statuses.map((status) => `'${status}'`).join(', ')
    return (await query<{ n: number }>(at, `select count(*) as n from originals where status in (${list})`))[0]!.n
  }
  const watched = (async () => {
    for (; watching; await wait(SAMPLE_MS)) {
      const done = await count('idle', 'failed')
      const waiting = await count('pending', 'processing')
      if (done !== outcomes || waiting === 0) outcomeAt = performance.now()
      outcomes = done
      longestMs = Math.max(longestMs, performance.now() - outcomeAt)
    }
  })()
  // It may fail long before it is awaited.
  watched.catch(() => {})
  return {
    longestSilenceMs: () => longestMs,
    async stop() {
      watching = false
      await watched
    },
  }
}
