// An S3 server for tests, behind a proxy that does to requests what it is told.
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { startS3, type S3Server } from './s3.ts'

export interface FaultyS3 extends S3Server {
  /** What `settings` lead through. */
  proxy: FaultProxy
}

export async function startFaultyS3(): Promise<FaultyS3> {
  const s3 = await startS3()
  const proxy = await startFaultProxy(s3.settings.endpoint)
  return {
    ...s3,
    settings: { ...s3.settings, endpoint: proxy.url },
    proxy,
    async stop() {
      await proxy.stop()
      await s3.stop()
    },
  }
}
