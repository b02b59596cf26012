// What an S3-compatible server does beyond the contract of the store: whether it checks what it is sent, and whether it answers conditions.
import { createHash, randomUUID } from 'node:crypto'
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { CalotypeError } from '../../errors.ts'
import { isDamage, openBucket, type S3Settings } from './s3-bucket.ts'

export interface S3Facts {
  /** It refuses bytes that do not match their checksum, or tells by their ETag what it has. */
  checksBytes: boolean
  /** `If-None-Match` of what one has is answered with 304. */
  isConditional: boolean
}

const ANSWER_TIMEOUT_MS = 15_000

const statusOf = (error: unknown) =>
  error instanceof CalotypeError
    ? (error.cause as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode
    : undefined

/** Rejects when it can not be reached. */
export async function s3Facts(settings: S3Settings): Promise<S3Facts> {
  const bucket = await openBucket(settings, ANSWER_TIMEOUT_MS)
  const at = { Bucket: bucket.name, Key: `calotype-check-${randomUUID()}` }
  const Body = Buffer.from('These bytes are others than their checksum says.')
  const wrong = createHash('md5').update('others').digest('base64')
  try {
    let refusesDamage = false
    try {
      await bucket.ask((s3, options) => s3.send(new PutObjectCommand({ ...at, Body, ContentMD5: wrong }), options))
    } catch (error) {
      if (!isDamage(error) && statusOf(error) !== 400) throw error
      refusesDamage = true
    }
    const { ETag } = await bucket.ask((s3, options) => s3.send(new PutObjectCommand({ ...at, Body }), options))
    let isConditional = false
    try {
      const answer = await bucket.ask((s3, options) => s3.send(new GetObjectCommand({ ...at, IfNoneMatch: ETag }), options))
      ;(answer.Body as { destroy?: () => void } | undefined)?.destroy?.()
    } catch (error) {
      if (statusOf(error) !== 304) throw error
      isConditional = true
    }
    return { checksBytes: refusesDamage || bucket.etagIsMd5, isConditional }
  } finally {
    await bucket.ask((s3, options) => s3.send(new DeleteObjectCommand(at), options)).catch(() => undefined)
    bucket.close()
  }
}
