// What database, queue and store stand on, for the doctor to look at.
import type { Config } from '../config.ts'
import type { Surroundings } from '../flow/doctor/examine-surroundings.ts'
import type { Logger } from '../log.ts'
import { isFolderStore, s3Settings } from './bytes.ts'
import { isCluster } from './topology.ts'

/** Of the largest files, so many should find room. */
const FILES_TO_COME = 16

export const surroundingsOf = (config: Config, log: Logger): Surroundings => ({
  folder: config.dataDir,
  isFolderStore: isFolderStore(config),
  leastFreeBytes: FILES_TO_COME * config.maxFileBytes,
  databasePool: config.databasePool,
  postgres: isCluster(config) ? async () => (await import('../db/postgres/postgres-facts.ts')).postgresFacts(config.databaseUrl) : null,
  redis: isCluster(config) ? async () => (await import('../db/redis/redis-facts.ts')).redisFacts(config.redisUrl, log) : null,
  s3: isFolderStore(config) ? null : async () => (await import('../store/s3/s3-facts.ts')).s3Facts(s3Settings(config)),
})
