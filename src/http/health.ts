// Whether a process lives, and whether it takes work: for those who watch over it.
import type { FastifyInstance } from 'fastify'
import { CalotypeError } from '../errors.ts'
import type { ImageStore } from '../record/image-store.ts'

export interface HealthDeps {
  images: Pick<ImageStore, 'known'>
  isStopping: () => boolean
}

/** Adds `/healthz` (the process answers) and `/readyz` (its database answers, and it takes work). */
export function addHealth(fastify: FastifyInstance, { images, isStopping }: HealthDeps): void {
  const config = { access: 'public' } as const
  fastify.get('/healthz', { config }, async () => ({ status: 'ok' }))
  fastify.get('/readyz', { config }, async () => {
    if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
    await images.known(['readiness'])
    return { status: 'ready' }
  })
}
