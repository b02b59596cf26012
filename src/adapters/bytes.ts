// The blob store, in a folder or on S3, and the room that is kept free beside it.
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import type { BlobStore } from '../store/blob-store.ts'
import { NO_RESERVE, openDiskReserve, type DiskReserve } from '../store/disk-reserve.ts'
import { openFilesystemStore } from '../store/filesystem/filesystem.ts'
import type { S3Settings } from '../store/s3/s3-bucket.ts'
import { sqliteFile } from './rows.ts'
import { isCluster } from './topology.ts'

export const isFolderStore = (config: Config) => config.s3Endpoint === ''

/** What a bucket is opened with. */
export const s3Settings = (config: Config): S3Settings => ({
  endpoint: config.s3Endpoint,
  bucket: config.s3Bucket,
  region: config.s3Region,
  accessKeyId: config.s3AccessKeyId,
  secretAccessKey: config.s3SecretAccessKey,
})

/** Embedded, the disk that fills up is one's own. */
export const openReserve = (config: Config, log: Logger): DiskReserve =>
  isCluster(config) ? NO_RESERVE : openDiskReserve({ dataDir: config.dataDir, databaseFile: sqliteFile(config), log })

/** A visitor may open it beside a server, and touches nothing that others stage. */
export async function openBlobs(config: Config, log: Logger, { asVisitor = false } = {}): Promise<BlobStore> {
  if (isFolderStore(config)) return openFilesystemStore(config.dataDir, { isShared: isCluster(config), asVisitor })
  const { openS3Store } = await import('../store/s3/s3.ts')
  const stagingFolder = join(config.dataDir, 'tmp')
  return openS3Store({ ...s3Settings(config), publicEndpoint: config.s3PublicEndpoint, stagingFolder, asVisitor, log })
}
