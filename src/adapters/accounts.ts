// What accounts are kept in, and what limits how often who may ask.
import { createSqlAuditLog } from '../accounts/audit/sql-audit-log.ts'
import type { RequestLimiter } from '../accounts/limits/request-limiter.ts'
import { createAccessChanges } from '../accounts/sessions/access-changes.ts'
import { createSqlAccountStore } from '../accounts/sql-account-store.ts'
import { createPasswords } from '../accounts/users/passwords.ts'
import { rateLimits, type Config } from '../config.ts'
import type { Database } from '../db/schema.ts'
import type { AccountDeps } from '../flow/accounts/account-deps.ts'
import { alsoWhenFull } from '../flow/when-full.ts'
import type { Logger } from '../log.ts'
import type { DiskReserve } from '../store/disk-reserve.ts'
import { isCluster } from './topology.ts'

const HOUR_MS = 60 * 60 * 1000

/** Of servers, and of commands about accounts. */
export const createAccountDeps = (
  database: Database,
  reserve: DiskReserve,
  { sessionIdleHours, sessionMaxHours }: Config,
): AccountDeps => ({
  accounts: alsoWhenFull(createSqlAccountStore(database), reserve),
  audit: alsoWhenFull(createSqlAuditLog(database), reserve),
  passwords: createPasswords(),
  sessionLimits: { idleMs: sessionIdleHours * HOUR_MS, maxMs: sessionMaxHours * HOUR_MS },
  accessChanges: createAccessChanges(),
})

/** Counts calls, where they are limited: for this process, or for all servers of a cluster. */
export async function openRequestLimiter(config: Config, log: Logger): Promise<RequestLimiter> {
  if (Object.values(rateLimits(config)).every((limit) => limit === null)) return { count: async () => null, close: () => undefined }
  if (!isCluster(config)) return (await import('../accounts/limits/memory-request-limiter.ts')).createMemoryRequestLimiter()
  const { createRedisRequestLimiter } = await import('../accounts/limits/redis-request-limiter.ts')
  return createRedisRequestLimiter({ url: config.redisUrl, log })
}
