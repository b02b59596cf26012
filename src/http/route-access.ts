// What each route asks of who calls it.
import type { Scope } from '../access.ts'

/** `public`: nothing. `media`: nothing or to read, as MEDIA_ACCESS says. Else the scope that it takes. */
export type Access = 'public' | 'media' | Scope

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
}
