// Refusals in the middle of a body: a connection closed in the face of who still sends would take the answer with it.
import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'

// Who was refused reads the answer only when done with sending: so much longer we listen.
const DRAIN_MS = 5_000

/** Of the routes of this instance: reads on for a while what a refused client still sends. */
export function drainRefused(fastify: FastifyInstance): void {
  fastify.addHook('onError', async (request) => drain(request.raw))
}

async function drain(body: Readable): Promise<void> {
  if (body.readableEnded || body.destroyed) return
  const ended = new Promise<void>((resolve) => body.once('end', resolve).once('close', resolve))
  const timeout = Promise.withResolvers<void>()
  const timer = setTimeout(timeout.resolve, DRAIN_MS)
  body.resume()
  await Promise.race([ended, timeout.promise])
  clearTimeout(timer)
}
