// What a server has heard of its feed: a ring of the recent events, who is called back, and who waits for the end of which image.
import { CalotypeError } from '../errors.ts'
import { jsonBytes } from '../file-name.ts'
import { isFinal, type Image } from '../image.ts'
import type { EventFeed, ImageEvent } from './event-feed.ts'

interface Waiter {
  resolve(image: Image): void
  reject(reason: unknown): void
}

export interface RecentEvents extends Pick<EventFeed, 'position' | 'onAppend' | 'whenFinal'> {
  /** Forgets everything: what comes next is event `n + 1` of this epoch. */
  begin(epoch: string, n: number): void
  /** Hears the next events, and tells those who wait. */
  append(images: Image[]): void
  /** As the feed's `read`, of what is in the ring. */
  read(seq: string, limit: number): ImageEvent[] | null
  /** Ends all listening, as the feed's `close`. */
  close(): void
}

/**
 * What the events of a history may weigh together, for each of them: an ordinary one takes a third. Names as long as may be shorten the
 * history instead of filling the memory.
 */
const MAX_AVERAGE_EVENT_BYTES = 2 * 1024
// An image without its texts, and the message that is made of it for watchers.
const EVENT_BYTES = 600

/** About what an event takes in memory: the name as text, and in the message. */
const weightOf = ({ name, failure }: Image) => EVENT_BYTES + 2 * name.length + jsonBytes(name) + 3 * (failure?.error.length ?? 0)

/** Keeps the last `history` events, or fewer if they are large. Begin an epoch before anything else. */
export function createRecentEvents(history: number): RecentEvents {
  let epoch = ''
  /** Event n lies at n modulo `history`, from `first` to `last`. */
  let ring: (ImageEvent | undefined)[] = []
  let bytes = 0
  let first = 1
  let last = 0
  const listeners = new Set<() => void>()
  const waiters = new Map<string, Set<Waiter>>()
  let closed = false

  const seqOf = (n: number) => `${epoch}.${n}`

  /** The n of one of our own positions, or null: only what we would write ourselves is taken. */
  function numberOf(seq: string): number | null {
    const n = Number(seq.slice(epoch.length + 1))
    return Number.isInteger(n) && n >= 0 && n <= last && seq === seqOf(n) ? n : null
  }

  function settle(imageId: string, action: (waiter: Waiter) => void): void {
    const waiting = waiters.get(imageId)
    waiters.delete(imageId)
    waiting?.forEach(action)
  }

  function callBack() {
    for (const listener of [...listeners]) listener()
  }

  function makeRoom(weight: number) {
    bytes += weight
    while (first <= last && (last - first + 1 >= history || bytes > history * MAX_AVERAGE_EVENT_BYTES)) {
      bytes -= weightOf(ring[first % history]!.image)
      ring[first % history] = undefined
      first += 1
    }
  }

  return {
    begin(newEpoch, n) {
      epoch = newEpoch
      ring = []
      bytes = 0
      first = n + 1
      last = n
      callBack()
    },

    append(images) {
      for (const image of images) {
        makeRoom(weightOf(image))
        last += 1
        ring[last % history] = { seq: seqOf(last), image }
      }
      for (const image of images) if (isFinal(image.status)) settle(image.id, (waiter) => waiter.resolve(image))
      if (images.length > 0) callBack()
    },

    position: () => seqOf(last),

    read(seq, limit) {
      const after = numberOf(seq)
      if (after === null || after < first - 1) return null
      const events: ImageEvent[] = []
      for (let n = after + 1; n <= Math.min(last, after + limit); n += 1) events.push(ring[n % history]!)
      return events
    },

    onAppend(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },

    whenFinal(imageId, signal) {
      return new Promise<Image>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        if (closed) return reject(new CalotypeError('shutting_down'))
        const waiting = waiters.get(imageId) ?? new Set()
        waiters.set(imageId, waiting)
        const waiter: Waiter = {
          resolve(image) {
            signal.removeEventListener('abort', abort)
            resolve(image)
          },
          reject(reason) {
            signal.removeEventListener('abort', abort)
            reject(reason)
          },
        }
        function abort() {
          waiting.delete(waiter)
          if (waiting.size === 0) waiters.delete(imageId)
          reject(signal.reason)
        }
        signal.addEventListener('abort', abort)
        waiting.add(waiter)
      })
    },

    close() {
      closed = true
      listeners.clear()
      for (const imageId of [...waiters.keys()]) settle(imageId, (waiter) => waiter.reject(new CalotypeError('shutting_down')))
    },
  }
}
