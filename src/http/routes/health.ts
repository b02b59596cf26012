// Whether a process lives, and whether it takes work: for those who watch over it.
import type { FastifyInstance } from 'fastify'
import { CalotypeError } from '../../errors.ts'
import type { OriginalStore } from '../../record/originals/original-store.ts'

export interface HealthDeps {
  originals: Pick<OriginalStore, 'known'>
  /** Why this process can't develop images, though it should; null if it can, or need not. */
  obstacle: () => string | null
  isStopping: () => boolean
}

const OBSTACLE_RETRY_SECONDS = 10

/** Adds `/healthz` (the process answers) and `/readyz` (its database answers, it takes work, and can do it). */
export function addHealth(fastify: FastifyInstance, { originals, obstacle, isStopping }: HealthDeps): void {
  const config = { access: 'public' } as const
  fastify.get('/healthz', { config }, async () => ({ status: 'ok' }))
  fastify.get('/readyz', { config }, async () => {
    if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
    await originals.known(['readiness'])
    const sentence = obstacle()
    if (sentence !== null) {
      throw new CalotypeError('processing_unavailable', sentence, { retryAfterSeconds: OBSTACLE_RETRY_SECONDS })
    }
    return { status: 'ready' }
  })
}
