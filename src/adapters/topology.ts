// Which topology the settings describe: one embedded server, or the servers and workers of a cluster.
import type { Config } from '../config.ts'

export const isCluster = (config: Config) => config.redisUrl !== ''
