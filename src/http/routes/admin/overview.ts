// What administrators see of the whole: overview, failures by their code, workers, settings.
import type { FastifyInstance } from 'fastify'
import type { ApiDeletionHalt, ApiFailureGroup, ApiOverview, ApiSetting, ApiWorker } from '../../../api-admin.ts'
import type { ShownSetting } from '../../../config.ts'
import { ERRORS } from '../../../errors.ts'
import { haltInWords } from '../../../flow/originals/check-store.ts'
import type { DeletionHalt, KnownStore } from '../../../record/originals/known-store.ts'
import type { Overview } from '../../../record/admin/overview.ts'
import type { WorkPause } from '../../../record/work/work-pause.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import type { WorkerRegistry } from '../../../record/work/worker-registry.ts'
import type { BlobStore } from '../../../store/blob-store.ts'
import { iso, toApiPause, toApiWorker } from '../../wire/admin.ts'
import { toApiImage } from '../../wire/images.ts'

export interface AdminOverviewDeps {
  overview: Overview
  work: Pick<WorkStore, 'backlog'>
  workers: WorkerRegistry
  pause: WorkPause
  knownStore: KnownStore
  blobs: BlobStore
  settings: ShownSetting[]
}

const MINUTES = 60
const SAMPLES = 6

/** Adds `GET /api/admin/overview`, `GET /api/admin/failures`, `GET /api/admin/workers` and `GET /api/admin/settings`. */
export async function adminOverviewRoutes(fastify: FastifyInstance, deps: AdminOverviewDeps): Promise<void> {
  const { overview, work, workers, pause, knownStore, blobs, settings } = deps
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const config = { access: 'admin' } as const

  fastify.get('/api/admin/overview', { config }, async (): Promise<ApiOverview> => {
    const [counts, { oldestPendingMs }, minutes, databaseBytes, space, sum, paused, { halt }] = await Promise.all([
      overview.counts(),
      work.backlog(),
      overview.minutes(MINUTES),
      overview.databaseBytes(),
      blobs.space(),
      workers.sum(),
      pause.current(),
      knownStore.read(),
    ])
    return {
      images: counts.images,
      original_bytes: counts.bytes,
      oldest_pending_ms: oldestPendingMs,
      minutes: minutes.map(({ at, ...minute }) => ({ at: iso(at), ...minute })),
      failures: counts.failures,
      disk: space && { free_bytes: space.freeBytes, total_bytes: space.totalBytes },
      database_bytes: databaseBytes,
      workers: sum,
      pause: toApiPause(paused),
      deletion_halt: halt && toApiHalt(halt),
    }
  })

  fastify.get('/api/admin/failures', { config }, async () => {
    const groups = await overview.failures(SAMPLES)
    return groups.map(({ code, images, lastAt, samples }) => {
      return { code, error: ERRORS[code], images, last_at: iso(lastAt), samples: samples.map(toApiImage) }
    }) satisfies ApiFailureGroup[]
  })

  fastify.get('/api/admin/workers', { config }, async () => (await workers.list()).map(toApiWorker) satisfies ApiWorker[])

  const shown = settings.map(({ isSet, isSecret, ...setting }): ApiSetting => ({ ...setting, is_set: isSet, is_secret: isSecret }))
  fastify.get('/api/admin/settings', { config }, async () => shown)
}

const toApiHalt = ({ reason, since, unknown }: DeletionHalt): ApiDeletionHalt => ({
  reason,
  since: iso(since),
  originals: unknown.originals,
  bytes: unknown.bytes,
  message: haltInWords(reason, unknown),
})
