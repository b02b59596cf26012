// Refusals in the middle of a body: a connection closed in the face of who still sends would take the answer with it.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

// Who was refused reads the answer only when done with sending: so much longer we listen.
const DRAIN_MS = 5_000

/** Call it on the root instance: reads on for a while what a refused client still sends. A body without end ends its connection. */
export function drainRefused(fastify: FastifyInstance): void {
  fastify.addHook('onError', async ({ raw }, reply) => {
    // The next request on this connection would stand behind what nobody reads any more.
    if (!(await isDrained(raw))) reply.header('connection', 'close')
  })
}

async function isDrained(body: IncomingMessage): Promise<boolean> {
  if (body.readableEnded || body.destroyed) return true
  const ended = new Promise<true>((resolve) => body.once('end', () => resolve(true)).once('close', () => resolve(true)))
  const timeout = Promise.withResolvers<false>()
  const timer = setTimeout(timeout.resolve, DRAIN_MS, false)
  // Who received it may still wait for its next piece, and `resume` would not outlast that.
  body.on('data', () => undefined).resume()
  const drained = await Promise.race([ended, timeout.promise])
  clearTimeout(timer)
  return drained
}
