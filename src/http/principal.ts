// Who a request comes from: on a server that is open, everyone who reaches it.
import type { FastifyInstance } from 'fastify'
import { OPEN, type Principal } from '../access.ts'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
}

/** Adds the hook that sets `request.principal`. On the root instance, before hooks and routes that look at it. */
export type Identify = (fastify: FastifyInstance) => void

export const identifyEveryone: Identify = (fastify) => {
  fastify.decorateRequest('principal')
  fastify.addHook('onRequest', async (request) => {
    request.principal = OPEN
  })
}
