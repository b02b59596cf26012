// One watcher of the live feed: a cursor into it, sent onwards only as fast as its socket takes it.
import { setImmediate } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import { isSeenBy, type Owner } from '../../access.ts'
import { isFinal } from '../../image.ts'
import type { EventFeed, ImageEvent } from '../../publish/event-feed.ts'
import { toNotification } from '../wire/images.ts'

/** What may wait in the server for one watcher, beside one message more. The kernel's socket buffer comes on top. */
export const MAX_BUFFERED_BYTES = 256 * 1024

/** Events read from the feed in one go; also what a watcher is sent before another has its turn. */
const EVENTS_PER_TURN = 256

export interface Watcher {
  /** There may be something new in the feed. Cheap: call it as often as you like. */
  wake(): void
  /** From now on it hears of these images. If they are others than before, a `resync` says so. */
  setSees(sees: Owner): void
  /** Whether the peer was seen alive since the last call: it answered a ping, or a full buffer emptied. */
  wasAlive(): boolean
}

/** Shares the event loop between all watchers and everything else. */
export interface Pace {
  spent(): boolean
  nextSlice(): Promise<void>
}

/** At most `sliceMs` of sending in a row; then timers, requests and sockets have their turn. */
export function createPace(sliceMs: number): Pace {
  let endsAt = 0
  let pause: Promise<void> | null = null
  return {
    spent: () => pause !== null || performance.now() >= endsAt,
    nextSlice: () =>
      (pause ??= setImmediate().then(() => {
        pause = null
        endsAt = performance.now() + sliceMs
      })),
  }
}

export interface Watching {
  feed: EventFeed
  /** A position of the feed. */
  since: string
  /** Of whose images it hears at first; nothing of others. */
  sees: Owner
  pace: Pace
  /** Rejections of the feed. */
  onError: (error: unknown) => void
}

/**
 * Sends what follows `since`, then each change as it comes: no gap, nothing twice. Where the feed no longer
 * knows what follows, a `resync` says so, and it goes on from now. While the socket is full nothing is read for it; a watcher that
 * fell behind that way gets only final states until it is nearly there.
 */
export function startWatcher(socket: WebSocket, { feed, since, sees: seesAtFirst, pace, onError }: Watching): Watcher {
  let seq = since
  let sees = seesAtFirst
  let isResyncDue = false
  let serving = false
  let wokenMeanwhile = false
  /** The socket took all it may hold for us; `afterWrite` goes on. */
  let full = false
  /** It was full since the watcher last had everything. */
  let behind = false
  let alive = true

  function send(message: Buffer): void {
    socket.send(message, { binary: false }, afterWrite)
    if (socket.bufferedAmount >= MAX_BUFFERED_BYTES) full = behind = true
  }

  const sendResync = (message: string) => send(Buffer.from(JSON.stringify({ type: 'resync', message, seq })))

  function afterWrite(): void {
    if (!full || socket.bufferedAmount > MAX_BUFFERED_BYTES / 2) return
    full = false
    // Pings wait behind what is buffered: a slow reader may not have seen one yet, but it reads.
    alive = true
    wake()
  }

  function sendAll(events: ImageEvent[]): void {
    const finalOnly = behind && events.length === EVENTS_PER_TURN
    for (const event of events) {
      if (isSeenBy(sees, event.image) && (!finalOnly || isFinal(event.image.status))) send(toMessage(event))
      seq = event.seq
      if (full) return
    }
  }

  async function serve(): Promise<void> {
    serving = true
    try {
      while (!full && socket.readyState === socket.OPEN) {
        wokenMeanwhile = false
        if (isResyncDue) {
          isResyncDue = false
          sendResync('What you may see has changed. Read the list again.')
          continue
        }
        const events = await feed.read(seq, EVENTS_PER_TURN)
        // Asked again after each pause, since it ends for all watchers at once.
        while (pace.spent()) await pace.nextSlice()
        if (events === null) {
          seq = feed.position()
          sendResync('Some changes are no longer known. Read the list again.')
        } else if (events.length > 0) {
          sendAll(events)
        } else {
          behind = false
          if (!wokenMeanwhile) return
        }
      }
    } catch (error) {
      onError(error)
    } finally {
      serving = false
    }
  }

  function wake(): void {
    wokenMeanwhile = true
    if (!serving && !full) void serve()
  }

  socket.on('pong', () => {
    alive = true
  })
  wake()

  return {
    wake,
    setSees(owner) {
      if (owner === sees) return
      sees = owner
      isResyncDue = true
      wake()
    },
    wasAlive() {
      const was = alive
      alive = false
      return was
    },
  }
}

/** Serialised once, however many watch; goes when the feed lets the event go. */
const messages = new WeakMap<ImageEvent, Buffer>()

function toMessage(event: ImageEvent): Buffer {
  let message = messages.get(event)
  if (message === undefined) {
    message = Buffer.from(JSON.stringify(toNotification(event)))
    messages.set(event, message)
  }
  return message
}
