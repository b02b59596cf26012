// Where a server is reached: on each address of its host.
import { lookup } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { listenAlso } from '../connections/listen-also.ts'

/**
 * Listens on `host`; as `localhost`, on each of its addresses that can be had, beside the first. Rejects with the error of the socket. The
 * server's own `close` ends them all, and waits for their connections.
 */
export async function listenOn(server: FastifyInstance, host: string, port: number): Promise<{ url: string }> {
  const [first = host, ...others] = host === 'localhost' ? (await lookup(host, { all: true })).map(({ address }) => address) : []
  const stops: (() => Promise<void>)[] = []
  let stopping: Promise<void>[] = []
  server.addHook('preClose', async () => void (stopping = stops.map((stop) => stop())))
  server.addHook('onClose', async () => void (await Promise.all(stopping)))
  await server.listen({ host: first, port })
  for (const other of others) {
    const stop = await listenAlso(server.server, other)
    if (stop !== null) stops.push(stop)
  }
  const { address, family, port: bound } = server.server.address() as AddressInfo
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}` }
}
