// Whether a process lives, and whether it takes work: for those who watch over it.
import type { FastifyInstance } from 'fastify'
import { CalotypeError } from '../../errors.ts'
import type { ImageStore } from '../../record/images/image-store.ts'

export interface HealthDeps {
  images: Pick<ImageStore, 'known'>
  /** Why this process can't develop images, though it should; null if it can, or need not. */
  obstacle: () => string | null
  isStopping: () => boolean
}

const OBSTACLE_RETRY_SECONDS = 10

/** Adds `/healthz` (the process answers) and `/readyz` (its database answers, it takes work, and can do it). */
export function addHealth(fastify: FastifyInstance, { images, obstacle, isStopping }: HealthDeps): void {
  const config = { access: 'public' } as const
  fastify.get('/healthz', { config }, async () => ({ status: 'ok' }))
  fastify.get('/readyz', { config }, async () => {
    if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
    await images.known(['readiness'])
    const sentence = obstacle()
    if (sentence !== null) {
      throw new CalotypeError('processing_unavailable', sentence, { retryAfterSeconds: OBSTACLE_RETRY_SECONDS })
    }
    return { status: 'ready' }
  })
}
