// Presigned URLs: clients fetch developed images from the bucket itself, and our servers only say where.
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import type { BlobStore } from '../blob-store.ts'
import { createClient, type S3Settings } from './s3-bucket.ts'

/** A URL is the same for so long, so that browsers find in their cache what they fetched by it; then it is good for as long again. */
const TURN_SECONDS = 900

/** `publicEndpoint`: where clients reach the store that we reach at `endpoint`; part of what is signed. */
export function createLinks(settings: S3Settings, publicEndpoint: string): { link: BlobStore['link']; close(): void } {
  const client = createClient({ ...settings, endpoint: publicEndpoint }, 'S3_PUBLIC_ENDPOINT')
  return {
    async link(key, { method, type, cacheControl, contentDisposition }) {
      const input = {
        Bucket: settings.bucket,
        Key: key,
        ResponseContentType: type,
        ResponseCacheControl: cacheControl,
        ...(contentDisposition && { ResponseContentDisposition: contentDisposition }),
      }
      const turnMs = TURN_SECONDS * 1000
      const options = { signingDate: new Date(Math.floor(Date.now() / turnMs) * turnMs), expiresIn: 2 * TURN_SECONDS }
      const command = method === 'GET' ? new GetObjectCommand(input) : new HeadObjectCommand(input)
      return { url: await getSignedUrl(client, command, options), seconds: TURN_SECONDS }
    },
    close: () => client.destroy(),
  }
}
