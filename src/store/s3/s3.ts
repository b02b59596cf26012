// The blob store in an S3-compatible bucket: staged in a local folder, sent whole and confirmed, fetched to a local file for a child.
import { createWriteStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { DeleteObjectsCommand, GetObjectCommand, HeadBucketCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { createSemaphore } from '../../concurrency/semaphore.ts'
import { CalotypeError, toCalotypeError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { BlobStore } from '../blob-store.ts'
import { badAnswer, openBucket, s3Code, type S3Settings } from './s3-bucket.ts'
import { bodyLength, exactBody } from './s3-download.ts'
import { createLinks } from './s3-links.ts'
import { md5Of, storedAtOf, uploadFile } from './s3-upload.ts'
import { openStagingFolder } from '../staging-folder.ts'

export interface S3StoreOptions extends S3Settings {
  /** Local; may be shared with other processes, each of which makes a folder of its own in it. */
  stagingFolder: string
  /** Where clients reach the store; they then fetch from there what they would be sent by us. */
  publicEndpoint?: string
  /** How long S3 may be silent before an attempt is given up; three of them, at most, before an error. Default: 15,000. */
  answerTimeoutMs?: number
  /** Leaves alone what ended processes have left in the staging folder. */
  asVisitor?: boolean
  log?: Logger
}

const ANSWER_TIMEOUT_MS = 15_000
/** Requests at once, downloads to local files among them. What is read goes to watchers and is bounded by their number. */
const REQUESTS_AT_ONCE = 64
const UPLOAD_MEMORY_BYTES = 32 * 1024 * 1024
/** The most that S3 takes in one DeleteObjects. */
const KEYS_PER_DELETE = 1_000
/** Names the run that used the store last. */
const RUN_KEY = 'calotype-run'
/** A body that breaks off is fetched again after these. */
const CHECKOUT_DELAYS_MS = [100, 500]

/**
 * Opens the store in a bucket, which has to be there. Any number of processes may have it open. Throws StartError naming the
 * setting to look at. See `s3-bucket.ts` for errors and repetition, `s3-upload.ts` for how bytes are checked.
 */
export async function openS3Store(options: S3StoreOptions): Promise<BlobStore> {
  const { stagingFolder, publicEndpoint, answerTimeoutMs, asVisitor = false, log, ...settings } = options
  const links = publicEndpoint ? createLinks(settings, publicEndpoint) : null
  const bucket = await openBucket(settings, answerTimeoutMs ?? ANSWER_TIMEOUT_MS)
  const staging = await openStagingFolder(stagingFolder, { asVisitor }).catch((error: unknown) => {
    bucket.close()
    throw error
  })
  const Bucket = bucket.name
  const requests = createSemaphore(REQUESTS_AT_ONCE)
  const uploading = { bucket, requests, memory: createSemaphore(UPLOAD_MEMORY_BYTES), log }
  const discard = (path: string) => rm(path, { force: true }).catch(() => undefined)

  async function get(key: string, range?: { start: number; end: number }) {
    const Range = range && `bytes=${range.start}-${range.end}`
    const answer = await bucket
      .ask((s3, options) => s3.send(new GetObjectCommand({ Bucket, Key: key, ...(Range && { Range }) }), options))
      .catch((error: unknown) => {
        // A 404 of any other kind says nothing of the key: the bucket is gone, or somebody else answers.
        throw s3Code(error) === 'NoSuchKey' ? new CalotypeError('not_found', undefined, { cause: error }) : error
      })
    const body = answer.Body as Readable
    try {
      return { body, length: bodyLength(answer, range), md5: bucket.etagIsMd5 ? md5Of(answer) : null }
    } catch (error) {
      body.destroy()
      throw error
    }
  }

  async function fetchTo(path: string, key: string) {
    for (let attempt = 0; ; attempt++) {
      const { body, length, md5 } = await get(key)
      try {
        return await pipeline(exactBody(body, length, md5), createWriteStream(path))
      } catch (error) {
        const delayMs = CHECKOUT_DELAYS_MS[attempt]
        if (delayMs === undefined || (error as CalotypeError).code !== 'storage_unavailable') throw error
        log?.warn({ err: (error as CalotypeError).cause, key }, 'a blob came damaged from S3 and is fetched again')
        await wait(delayMs)
      }
    }
  }

  return {
    stage: () => staging.newFile(),

    async put(stagedPath, key, { storedAt } = {}) {
      try {
        await uploadFile(uploading, stagedPath, key, storedAt)
      } catch (error) {
        throw toCalotypeError(error)
      }
      await discard(stagedPath)
    },

    discard,

    staged: () => staging.files(),

    async checkout(key) {
      const path = staging.newFile()
      try {
        await requests.run(1, () => fetchTo(path, key))
      } catch (error) {
        await discard(path)
        throw toCalotypeError(error)
      }
      return { path, release: () => discard(path) }
    },

    stat: (key) =>
      requests.run(1, async () => {
        try {
          const head = await bucket.ask((s3, options) => s3.send(new HeadObjectCommand({ Bucket, Key: key }), options))
          if (head.ContentLength === undefined || head.LastModified === undefined) throw badAnswer('HEAD without length or date')
          return { size: head.ContentLength, modifiedAt: storedAtOf(head) ?? head.LastModified.getTime() }
        } catch (error) {
          if (s3Code(error) !== 'NotFound') throw error
          // An answer to HEAD has no body to say what was not found: the key is missing only where the bucket is there.
          await bucket.ask((s3, options) => s3.send(new HeadBucketCommand({ Bucket }), options))
          return null
        }
      }),

    async read(key, range) {
      // Without its MD5, which applies to all of it and would be known too late.
      const { body, length } = await get(key, range)
      return exactBody(body, length)
    },

    link: async (key, options) => links?.link(key, options) ?? null,

    async delete(keys) {
      for (let at = 0; at < keys.length; at += KEYS_PER_DELETE) {
        const Objects = keys.slice(at, at + KEYS_PER_DELETE).map((Key) => ({ Key }))
        const { Errors = [] } = await requests.run(1, () =>
          bucket.ask((s3, options) => s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }), options)),
        )
        const failed = Errors.find(({ Code }) => Code !== 'NoSuchKey')
        if (failed) throw badAnswer(`${failed.Key} can't be deleted: ${failed.Code} ${failed.Message}`)
      }
    },

    async *list(prefix) {
      let ContinuationToken: string | undefined
      do {
        const page = await requests.run(1, () =>
          bucket.ask((s3, options) =>
            s3.send(new ListObjectsV2Command({ Bucket, Prefix: prefix, ...(ContinuationToken && { ContinuationToken }) }), options),
          ),
        )
        for (const { Key: key, Size: size, LastModified } of page.Contents ?? []) {
          if (key === undefined || size === undefined || LastModified === undefined) throw badAnswer('a list without key, size or date')
          yield { key, size, modifiedAt: LastModified.getTime() }
        }
        if (page.IsTruncated && !page.NextContinuationToken) throw badAnswer('a list that ends in the middle')
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (ContinuationToken)
    },

    async readRunId() {
      try {
        const { body, length } = await get(RUN_KEY)
        return (await text(exactBody(body, length))).trim() || null
      } catch (error) {
        if (error instanceof CalotypeError && error.code === 'not_found') return null
        throw toCalotypeError(error)
      }
    },

    async writeRunId(id) {
      const path = staging.newFile()
      try {
        await writeFile(path, `${id}\n`)
        await uploadFile(uploading, path, RUN_KEY)
      } catch (error) {
        throw toCalotypeError(error)
      } finally {
        await discard(path)
      }
    },

    space: async () => null,

    async close() {
      links?.close()
      bucket.close()
      await staging.close()
    },
  }
}
