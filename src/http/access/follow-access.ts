// Answers that take long to send (archives, originals, lists, exports) end when whoever asked may not see all of it any more.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { seesOf, SCOPES, type Principal } from '../../access.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccessGuard } from './access-guard.ts'
import { accessOf, type Access } from './route-access.ts'

/** Breaks the connection of an answer under way, as what came by then is not the whole. Call on the root instance before its routes. */
export function followAccess(fastify: FastifyInstance, guard: AccessGuard, { mediaAccess }: { mediaAccess: 'public' | 'private' }): void {
  fastify.addHook('onSend', (request, _reply, payload, done) => {
    const { principal } = request
    if (payload instanceof Readable && principal.credentialId !== null) {
      const access = accessOf(request)
      const isForEveryone = access === 'public' || (access === 'media' && mediaAccess === 'public')
      if (!isForEveryone) {
        const release = guard.hold(principal, (now) => {
          if (!mayStill(access, principal, now)) payload.destroy(new CalotypeError('forbidden', 'You may not read this any more.'))
        })
        payload.once('close', release)
      }
    }
    done()
  })
}

function mayStill(access: Access, before: Principal, now: Principal | null): boolean {
  if (now === null) return false
  const needed = SCOPES.find((scope) => scope === access) ?? 'read'
  const sees = seesOf(now)
  return now.scopes.has(needed) && (sees === null || sees === seesOf(before))
}
