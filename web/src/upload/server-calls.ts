// What the buttons of the upload ask of the server about images that are there.
import { ask } from '../api/client.ts'
import { Problem } from '../api/problem.ts'
import { session } from '../api/session.ts'
import { Backoff } from '../live/backoff.ts'
import type { EntryList } from './entry-list.svelte.ts'
import type { Entry } from './entry.ts'

/** As the API takes them. */
const IDS_AT_ONCE = 1_000

/** Tries until it works, or can't work. Never rejects. */
export async function patiently(action: () => Promise<unknown>): Promise<void> {
  const backoff = new Backoff({ firstMs: 1_000, mostMs: 15_000 })
  for (;;) {
    try {
      await action()
      return
    } catch (error) {
      if (!(error instanceof Problem) || !error.isPassing) return
      if (error.isSignedOut && session.isOver) await session.begun()
      else await new Promise((resolve) => setTimeout(resolve, Math.max(backoff.next(), error.retryAfterMs ?? 0)))
    }
  }
}

export const remove = (image: string) => patiently(() => ask(`/api/images/${image}`, { method: 'DELETE' }))

export const retry = (list: EntryList, entry: Entry) =>
  again(list, [entry], () => ask(`/api/images/${entry.image}/retry`, { method: 'POST' }))

export async function retryAll(list: EntryList, entries: readonly Entry[]): Promise<void> {
  for (let at = 0; at < entries.length; at += IDS_AT_ONCE) {
    const some = entries.slice(at, at + IDS_AT_ONCE)
    await again(list, some, () => ask('/api/images/retry', { method: 'POST', body: { ids: some.map(({ image }) => image) } }))
  }
}

/** Their news comes before the answer: they wait already when it is asked for. */
async function again(list: EntryList, entries: readonly Entry[], action: () => Promise<unknown>): Promise<void> {
  for (const entry of entries) list.change(entry, { state: 'sent', why: null })
  try {
    await action()
  } catch (error) {
    for (const entry of entries) if (entry.state === 'sent') list.change(entry, { state: 'failed', why: (error as Error).message })
  }
}
