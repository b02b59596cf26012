// A second address for a server that listens on one: `localhost` is 127.0.0.1 and ::1.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'

/**
 * Hands connections to another address over to `server`, at the port on which it listens. Returns how to stop, once those connections have
 * ended; null if that address can't be had, which a server with one address can do without.
 */
export async function listenAlso(server: Server, host: string): Promise<(() => Promise<void>) | null> {
  const { port } = server.address() as AddressInfo
  const other = createServer((socket) => server.emit('connection', socket))
  try {
    other.listen({ host, port })
    await once(other, 'listening')
  } catch {
    return null
  }
  return async () => {
    other.close()
    await once(other, 'close')
  }
}
