// Servers in this process, whose callers say by a header who they are: what someone may see and touch, without accounts.
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OPEN, SCOPES, type Principal } from '../../../src/access.ts'
import { createAccessChanges } from '../../../src/accounts/sessions/access-changes.ts'
import { createMemoryRequestLimiter } from '../../../src/accounts/limits/memory-request-limiter.ts'
import { createPasswords } from '../../../src/accounts/users/passwords.ts'
import { createSqlAccountStore } from '../../../src/accounts/sql-account-store.ts'
import { createSqlAuditLog } from '../../../src/accounts/audit/sql-audit-log.ts'
import { openSqlite } from '../../../src/db/sqlite/open-sqlite.ts'
import { processImages } from '../../../src/flow/develop/process-images.ts'
import type { AccountDeps } from '../../../src/flow/accounts/account-deps.ts'
import { createReleases } from '../../../src/flow/upload/releases.ts'
import type { AllowanceDeps } from '../../../src/flow/upload/allowance.ts'
import type { CallLimits } from '../../../src/http/access/count-call.ts'
import type { Identify } from '../../../src/http/access/principal.ts'
import { createServer, type AdminDeps, type ServerDeps } from '../../../src/http/server.ts'
import { createLog } from '../../../src/log.ts'
import { createChildPool } from '../../../src/process/pool/child-pool.ts'
import { createMemoryFeed } from '../../../src/publish/memory-feed.ts'
import { createMemoryQueue } from '../../../src/queue/memory-queue.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import type { Records } from '../../../src/record/records.ts'
import { createSqlBulkJobs } from '../../../src/record/admin/sql-bulk-jobs.ts'
import { createSqlRecords } from '../../../src/record/sql-records.ts'
import { createSqlOverview } from '../../../src/record/admin/sql-overview.ts'
import { createSqlKnownStore } from '../../../src/record/originals/sql-known-store.ts'
import { createSqlWorkPause } from '../../../src/record/work/sql-work-pause.ts'
import { createSqlWorkerRegistry } from '../../../src/record/work/sql-worker-registry.ts'
import { openFilesystemStore } from '../../../src/store/filesystem/filesystem.ts'
import { NO_RESERVE } from '../../../src/store/disk-reserve.ts'

export const WHO = 'x-who'

const KEY_OF = 'key of '

const key = (userId: string, role: Principal['role'], scopes: Principal['scopes'], who = userId): Principal => {
  return { via: 'key', userId, role, scopes, credentialId: `${KEY_OF}${who}` }
}

const MEMBER_SCOPES = new Set(['upload', 'read', 'delete'] as const)

/** `root` administrates; `root-reads` is a key of theirs that is not for that; `guest` has no account; everyone else is a member. */
function principalOf(who: string): Principal {
  if (who === 'guest') return { via: 'nobody', userId: null, role: 'member', scopes: new Set(), credentialId: null }
  if (who === 'root') return key('root', 'admin', new Set(SCOPES))
  if (who === 'root-reads') return key('root', 'admin', new Set(['read']), who)
  return key(who, 'member', MEMBER_SCOPES)
}

const whose = async (credentialIds: string[]) => new Map(credentialIds.map((id) => [id, principalOf(id.slice(KEY_OF.length))]))

export const identifyByHeader: Identify = (fastify) => {
  fastify.decorateRequest('principal')
  fastify.addHook('onRequest', async (request) => {
    request.principal = principalOf(String(request.headers[WHO] ?? 'guest'))
  })
}

/** Of servers that are made of single routes. */
export const identifyEveryone: Identify = (fastify) => {
  fastify.decorateRequest('principal')
  fastify.addHook('onRequest', async (request) => {
    request.principal = OPEN
  })
}

export interface Shared {
  deps: Records &
    AccountDeps &
    AdminDeps &
    AllowanceDeps &
    CallLimits &
    Pick<ServerDeps, 'recipe' | 'releases' | 'blobs' | 'queue' | 'feed'> & {
      accounts: AccountDeps['accounts']
      auth: 'open'
      trustProxy: string[]
      maxConnectionsPerAddress: number
      allowedHosts: string[]
    }
  /** Of a server whose media are public, and of one whose media are private; both have the same images. */
  publicUrl: string
  privateUrl: string
  /** Every route, as `GET /api/images/:id`. */
  routes: string[]
  end(): Promise<void>
}

/** Develops as well. */
export async function startShared(): Promise<Shared> {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-owners-'))
  const { database } = await openSqlite(join(dataDir, 'calotype.sqlite'))
  const blobs = await openFilesystemStore(dataDir, { isShared: false })
  const log = createLog('silent')
  const records = createSqlRecords(database)
  await records.renditions.addRecipe(RECIPE)
  const deps = {
    ...records,
    recipe: RECIPE,
    releases: createReleases(records),
    blobs,
    overview: createSqlOverview(database),
    workers: createSqlWorkerRegistry(database),
    pause: createSqlWorkPause(database),
    knownStore: createSqlKnownStore(database),
    jobs: createSqlBulkJobs(database),
    settings: [],
    queue: createMemoryQueue(),
    feed: createMemoryFeed({ history: 20_000 }),
    // What is held open is looked at every few seconds: nobody here has a row.
    accounts: { ...createSqlAccountStore(database), whose },
    audit: createSqlAuditLog(database),
    passwords: createPasswords(),
    sessionLimits: { idleMs: 3_600_000, maxMs: 3_600_000 },
    accessChanges: createAccessChanges(),
    auth: 'open' as const,
    limiter: createMemoryRequestLimiter(),
    rateLimits: { perCaller: null, perAddress: null },
    quota: { bytes: null, images: null },
    trustProxy: [],
    maxConnectionsPerAddress: 0,
    allowedHosts: [],
  }
  const processor = createChildPool({ concurrency: 1, timeoutMs: 60_000, memoryBytes: 2 ** 29, maxPixels: 50_000_000 })
  const processing = processImages({ ...deps, processor, worker: 'here', log })
  const limits = {
    maxFileBytes: 1_000_000,
    maxFiles: 100,
    maxPending: 1_000,
    uploadIdleTimeoutMs: 60_000,
    syncWaitMs: 60_000,
    batchTtlHours: 1,
  }
  const pages = { folder: join(dataDir, 'dist'), imageOrigins: [], maxFileBytes: limits.maxFileBytes }
  const routes: string[] = []
  const open = (mediaAccess: 'public' | 'private') =>
    createServer(
      {
        ...deps,
        log,
        limits,
        reserve: NO_RESERVE,
        mediaAccess,
        pages,
        corsOrigins: ['https://other.example'],
        obstacle: () => null,
        isStopping: () => false,
      },
      (server) => {
        identifyByHeader(server)
        server.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((one) => `${one} ${url}`)))
      },
    )
  const servers = [await open('public'), await open('private')]
  const urls: string[] = []
  for (const server of servers) {
    await server.listen({ host: '127.0.0.1', port: 0 })
    urls.push(`http://127.0.0.1:${(server.server.address() as AddressInfo).port}`)
  }
  return {
    deps,
    publicUrl: urls[0]!,
    privateUrl: urls[1]!,
    routes: [...new Set(routes)],
    async end() {
      for (const server of servers) {
        const closed = server.close()
        // The client keeps its connections.
        server.server.closeAllConnections()
        await closed
      }
      const stopped = processing.stop()
      await processor.close(10_000)
      await stopped
      await deps.feed.close()
      await deps.queue.close()
      await blobs.close()
      await database.close()
      await rm(dataDir, { recursive: true })
    },
  }
}
