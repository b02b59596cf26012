// What administrators see of the whole: overview, failures by their code, workers, settings.
import type { FastifyInstance } from 'fastify'
import { failureGroup, overview as overviewSent, setting, worker, type ApiDeletionHalt, type ApiSetting } from '../../../api/admin.ts'
import type { ShownSetting } from '../../../config.ts'
import { ERRORS } from '../../../error-codes.ts'
import { haltInWords } from '../../../flow/originals/check-store.ts'
import type { DeletionHalt, KnownStore } from '../../../record/originals/known-store.ts'
import type { Overview } from '../../../record/admin/overview.ts'
import type { WorkPause } from '../../../record/work/work-pause.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import type { WorkerRegistry } from '../../../record/work/worker-registry.ts'
import type { BlobStore } from '../../../store/blob-store.ts'
import { all, one } from '../../answers.ts'
import { addEndpoint } from '../../endpoint.ts'
import { toApiPause, toApiWorker } from '../../wire/admin.ts'
import { toApiImage } from '../../wire/images.ts'
import { iso } from '../../wire/iso.ts'

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

export async function adminOverviewRoutes(fastify: FastifyInstance, deps: AdminOverviewDeps): Promise<void> {
  const { overview, work, workers, pause, knownStore, blobs, settings } = deps
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/overview',
    summary: 'How it stands',
    answers: { 200: one('Now', overviewSent) },
    async handler() {
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
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/failures',
    summary: 'What failed, by its reason',
    answers: { 200: all('Most first', failureGroup) },
    async handler() {
      const groups = await overview.failures(SAMPLES)
      return groups.map(({ code, images, lastAt, samples }) => {
        return { code, error: ERRORS[code], images, last_at: iso(lastAt), samples: samples.map(toApiImage) }
      })
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/workers',
    summary: 'Who develops',
    answers: { 200: all('Each process', worker) },
    handler: async () => (await workers.list()).map(toApiWorker),
  })

  const shown = settings.map(({ isSet, isSecret, ...setting }): ApiSetting => ({ ...setting, is_set: isSet, is_secret: isSecret }))
  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/settings',
    summary: 'The settings, secrets masked',
    answers: { 200: all('Each setting', setting) },
    handler: async () => shown,
  })
}

const toApiHalt = ({ reason, since, unknown }: DeletionHalt): ApiDeletionHalt => ({
  reason,
  since: iso(since),
  originals: unknown.originals,
  bytes: unknown.bytes,
  message: haltInWords(reason, unknown),
})
