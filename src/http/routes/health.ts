// Whether a process lives, and whether it takes work: for those who watch over it.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { sent } from '../../api/common.ts'
import { CalotypeError } from '../../errors.ts'
import type { OriginalStore } from '../../record/originals/original-store.ts'
import { one } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'

export interface HealthDeps {
  originals: Pick<OriginalStore, 'known'>
  /** Why this process can't develop images, though it should; null if it can, or need not. */
  obstacle: () => string | null
  isStopping: () => boolean
}

const OBSTACLE_RETRY_SECONDS = 10

const health = (status: 'ok' | 'ready') => sent(null, () => z.strictObject({ status: z.literal(status) }), { status })

export function addHealth(fastify: FastifyInstance, { originals, obstacle, isStopping }: HealthDeps): void {
  const known = { access: 'public', tag: 'Server' } as const

  addEndpoint(fastify, {
    ...known,
    route: 'GET /healthz',
    summary: 'The process lives',
    answers: { 200: one('It is', health('ok')) },
    handler: async () => ({ status: 'ok' as const }),
  })

  addEndpoint(fastify, {
    ...known,
    route: 'GET /readyz',
    summary: 'The server takes work',
    answers: { 200: one('It is', health('ready')) },
    errors: ['shutting_down', 'database_unavailable', 'processing_unavailable'],
    async handler() {
      if (isStopping()) throw new CalotypeError('shutting_down', undefined, { retryAfterSeconds: 5 })
      await originals.known(['readiness'])
      const sentence = obstacle()
      if (sentence !== null) {
        throw new CalotypeError('processing_unavailable', sentence, { retryAfterSeconds: OBSTACLE_RETRY_SECONDS })
      }
      return { status: 'ready' as const }
    },
  })
}
