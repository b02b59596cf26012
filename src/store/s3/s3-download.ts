// Bytes on their way out of the bucket: a body that ends early is an error, never a short file.
import { createHash } from 'node:crypto'
import { pipeline, Transform, type Readable } from 'node:stream'
import { badAnswer, toStorageError } from './s3-bucket.ts'

/**
 * `body` as a stream of exactly `length` bytes: more are cut off, fewer are an error, and so is another MD5 (hex) than `md5`. All its
 * errors are CalotypeErrors; destroying it ends the request.
 */
export function exactBody(body: Readable, length: number, md5: string | null = null): Readable {
  const hash = md5 === null ? null : createHash('md5')
  let missing = length
  const exact = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const kept = chunk.subarray(0, missing)
      missing -= kept.length
      hash?.update(kept)
      done(null, kept)
    },
    flush(done) {
      if (missing > 0) return done(badAnswer(`the body ended ${missing} bytes early`))
      if (hash && hash.digest('hex') !== md5) return done(badAnswer(`the body has not the MD5 ${md5}`))
      done()
    },
    destroy(error, done) {
      done(error && toStorageError(error))
    },
  })
  pipeline(body, exact, () => undefined)
  return exact
}

/** How many bytes the body of an answer has, checked to begin where it was asked to and to be as long. Throws `storage_unavailable`. */
export function bodyLength(
  answer: { ContentLength?: number | undefined; ContentRange?: string | undefined },
  range?: { start: number; end: number },
): number {
  if (answer.ContentLength === undefined) throw badAnswer('the answer does not say how long it is')
  if (!range) return answer.ContentLength
  if (!answer.ContentRange?.startsWith(`bytes ${range.start}-`)) {
    throw badAnswer(`the answer to bytes ${range.start}-${range.end} is ${answer.ContentRange ?? 'all of them'}`)
  }
  const asked = range.end - range.start + 1
  if (answer.ContentLength < asked) throw badAnswer(`the answer to bytes ${range.start}-${range.end} has ${answer.ContentLength}`)
  // s3rver answers a range that ends with byte 0 with all there is.
  return asked
}
