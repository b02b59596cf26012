// Waits for the outcome of one image: what a sync upload answers with.
import { isFinal, type Image } from '../../image.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { ImageStore } from '../../record/images/image-store.ts'

// The feed tells at once; where it was away for a moment, the row does.
const LOOK_AGAIN_MS = 2_000
const EVENTS_AT_ONCE = 1_000

/**
 * The image at its final state, or as it is after `timeoutMs` or when the server stops; null if it was deleted meanwhile. Never rejects: it
 * is recorded, and while the rows can't be read it is said to be as it was. `since`: a position of the feed from before the image was
 * recorded, or read.
 */
export type WaitForImage = (image: Image, since: string, timeoutMs: number) => Promise<Image | null>

export interface WaitDeps {
  images: Pick<ImageStore, 'get' | 'getMany'>
  feed: Pick<EventFeed, 'read' | 'whenFinal'>
}

/** For all requests of a server: however many wait, they look at the rows together. */
export function createWaits({ images, feed }: WaitDeps): WaitForImage {
  /** Who waits, by image. */
  const waiting = new Map<string, Set<(row: Image | null) => void>>()
  let looking: NodeJS.Timeout | undefined
  let isLooking = false

  async function look() {
    if (isLooking) return
    isLooking = true
    await lookAt([...waiting.keys()])
      // A database that is away is asked again at the next turn.
      .catch(() => undefined)
      .finally(() => (isLooking = false))
  }

  async function lookAt(ids: string[]) {
    const rows = new Map((await images.getMany(ids, null)).map((image) => [image.id, image]))
    for (const id of ids) {
      const row = rows.get(id) ?? null
      if (row === null || isFinal(row.status)) waiting.get(id)?.forEach((tell) => tell(row))
    }
  }

  /** Tells when the row is final, or gone. Returns the function that ends it. */
  function watchRow(id: string, tell: (row: Image | null) => void): () => void {
    const told = waiting.get(id) ?? new Set()
    waiting.set(id, told.add(tell))
    looking ??= setInterval(() => void look(), LOOK_AGAIN_MS)
    return () => {
      told.delete(tell)
      if (told.size === 0 && waiting.get(id) === told) waiting.delete(id)
      if (waiting.size > 0) return
      clearInterval(looking)
      looking = undefined
    }
  }

  /** It may have become final before anybody listened: the feed knows, or else the row. Null: not yet. */
  async function alreadyFinal(id: string, since: string): Promise<{ row: Image | null } | null> {
    for (let seq = since; ;) {
      const events = await feed.read(seq, EVENTS_AT_ONCE)
      if (events === null) {
        const row = await images.get(id, null)
        return row === null || isFinal(row.status) ? { row } : null
      }
      const final = events.find(({ image }) => image.id === id && isFinal(image.status))
      if (final) return { row: final.image }
      if (events.length < EVENTS_AT_ONCE) return null
      seq = events.at(-1)!.seq
    }
  }

  return async (image, since, timeoutMs) => {
    if (isFinal(image.status)) return image
    const ending = new AbortController()
    const { promise, resolve } = Promise.withResolvers<Image | null>()
    const asItIs = () => void images.get(image.id, null).then(resolve, () => resolve(image))
    const timer = setTimeout(asItIs, timeoutMs)
    // Rejected when the server stops, or by the end below.
    feed.whenFinal(image.id, ending.signal).then(resolve, () => ending.signal.aborted || asItIs())
    const stopWatching = watchRow(image.id, resolve)
    alreadyFinal(image.id, since).then(
      (already) => already && resolve(already.row),
      // The feed, or a look at the rows, tells later.
      () => undefined,
    )
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      stopWatching()
      ending.abort('ended')
    }
  }
}
