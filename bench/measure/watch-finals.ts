// Listens on the WebSocket to what becomes of images.
import WebSocket from 'ws'
import type { ApiNotification } from '../../src/api/events.ts'

export interface Finals {
  /** Of those completed: when it was heard, by `performance.now()` and by `Date.now()`. */
  heardAt: Map<string, { at: number; dateMs: number }>
  /** Resolves when all of them are completed; rejects once any image ends otherwise, or nothing more can be heard. */
  completed(ids: string[]): Promise<void>
  close(): void
}

/** Resolves when it is greeted. `progress` is told how many are in `heardAt`. */
export async function watchFinals(url: string, progress: (heard: number) => void = () => {}): Promise<Finals> {
  const heardAt: Finals['heardAt'] = new Map()
  let failure: Error | undefined
  let changed = Promise.withResolvers<void>()
  const wake = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const fail = (error: Error) => {
    failure ??= error
    wake()
  }
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws/upload/`, { perMessageDeflate: false })
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as ApiNotification | { type: 'resync' } | { type?: never }
    if (message.type === 'resync') return fail(new Error('The feed moved on faster than the bench could listen.'))
    if (message.type === undefined) return
    if (message.status === 'completed') {
      if (!heardAt.has(message.id)) heardAt.set(message.id, { at: performance.now(), dateMs: Date.now() })
      progress(heardAt.size)
      wake()
    } else if (message.status === 'error' || message.status === 'aborted') {
      fail(new Error(`${message.name} ended as ${message.status}: ${message.error ?? message.message}`))
    }
  })
  socket.once('close', () => fail(new Error('The server closed the WebSocket.')))
  await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject))
  socket.on('error', fail)
  return {
    heardAt,
    async completed(ids) {
      const missing = new Set(ids)
      while (failure === undefined) {
        for (const id of missing) {
          // Each time only as far as the first that is missing: what comes is about in order.
          if (!heardAt.has(id)) break
          missing.delete(id)
        }
        if (missing.size === 0) return
        await changed.promise
      }
      throw failure
    },
    close() {
      socket.removeAllListeners('close')
      socket.close()
    },
  }
}
