// Ends connections whose peer does not read: what is to be sent to it makes no progress.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection } from './connection.ts'

// A socket tells of a silence of a third: one that began just after it was looked at ends at most a third too late.
const LOOKS = 3

/**
 * Destroys a connection once nothing of a write has left for `stalledMs` (at most a third longer), and idle keep-alive connections when
 * their time is over. Connections that wait for the server or for a body have other limits; upgraded ones are no longer looked after.
 * Progress is seen as the kernel tells it: in steps of up to a third of its send buffer.
 */
export function endStalledWrites(server: Server, connections: Map<Socket, Connection>, stalledMs: number): void {
  const lookMs = stalledMs / LOOKS
  const stalled = new WeakMap<Socket, { looks: number; at: number }>()

  function isStalled(socket: Socket): boolean {
    const { looks, at } = stalled.get(socket) ?? { looks: 0, at: 0 }
    const now = performance.now()
    // Anything that is sent or received meanwhile puts the next look off.
    const again = now - at < lookMs * 1.5 ? looks + 1 : 1
    stalled.set(socket, { looks: again, at: now })
    return again >= LOOKS
  }

  server.setTimeout(lookMs, (socket) => {
    const connection = connections.get(socket)
    if (connection === undefined) socket.destroy()
    else if (socket.writableLength > 0) {
      if (isStalled(socket)) socket.destroy()
      else socket.setTimeout(lookMs)
    } else if (connection.wasAsked && !connection.isBusy && connection.arriving === null) socket.destroy()
  })
}
