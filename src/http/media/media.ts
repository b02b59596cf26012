// The bytes back over HTTP: developed images and thumbnails for pages, originals as downloads.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fresh from 'fresh'
import { parse as parseRange } from 'range-parser'
import { seesOf, type Principal } from '../../access.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { CalotypeError } from '../../errors.ts'
import { findOriginal, readOriginal, type ByteRange, type ReadOriginalDeps } from '../../flow/images/read-original.ts'
import { FORMATS, type Image } from '../../image.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import type { RenditionStore } from '../../record/renditions/rendition-store.ts'
import { parseOperation } from '../../rendition/operation.ts'
import type { Recipe } from '../../rendition/presets.ts'
import { originalKey, renditionKey } from '../../rendition/keys.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { addEndpoint } from '../endpoint.ts'
import { sendProblem } from '../hooks/problem.ts'
import { mediaFile, mediaFolder } from '../wire/images.ts'
import { describeRenditions, mediaAnswers, mediaHeaders } from './describe-media.ts'

export interface MediaDeps extends ReadOriginalDeps {
  images: Pick<ImageStore, 'get'>
  renditions: Pick<RenditionStore, 'find'>
  /** Its presets have an address each. */
  recipe: Recipe
  blobs: Pick<BlobStore, 'read' | 'stat' | 'link'>
  /** `public`: a developed image is for everyone who knows its URL, which nobody guesses. `private`: for who sees the image. */
  mediaAccess?: 'public' | 'private'
}

export interface Blob {
  key: string
  /** Media type. From our own decoder, never from the client. */
  type: string
  /** Bytes. */
  size: number
  cacheControl: string
  /** Sent as a download of this name instead of something to show. Any characters. */
  attachmentName?: string
  /** Rejects, nothing sent yet, when the bytes are gone: with a code that says so. */
  read(range?: ByteRange): Promise<Readable>
  /** Rejects as `read` does, as far as the store knows without reading. */
  find(): Promise<void>
}

/** A URL of media names an image and a recipe, whose outputs never change. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
/** Originals may tell where they were taken: no shared cache keeps them, and who shows one again asks whether they may. */
const PRIVATE = 'private, no-cache'

/** Adds `/media/images/:file`, `/media/thumbnails/:file`, a folder for each further preset, and `/api/images/:id/original`. */
export async function mediaRoutes(fastify: FastifyInstance, deps: MediaDeps): Promise<void> {
  const { images, renditions, blobs, recipe, mediaAccess = 'public' } = deps
  const isPrivate = mediaAccess === 'private'
  const cacheControl = isPrivate ? PRIVATE : IMMUTABLE

  /** What a file name stands for, if that is exactly the name it has. */
  async function find(file: string, principal: Principal, preset: string) {
    if (isPrivate && !principal.scopes.has('read')) throw new CalotypeError('not_found')
    const id = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=-)/.exec(file)?.[0]
    const found = id === undefined ? null : await renditions.find(id, preset, isPrivate ? seesOf(principal) : null)
    if (found === null || mediaFile(found.image, found.rendition) !== file) throw new CalotypeError('not_found')
    return found
  }

  for (const preset of new Set(recipe.outputs.map((output) => output.preset))) {
    addEndpoint(fastify, {
      ...describeRenditions(preset),
      route: `GET /media/${mediaFolder(preset)}/:file`,
      access: 'media',
      handlesHead: true,
      async handler(request, reply) {
        const { image, rendition } = await find(request.params.file, request.principal, preset)
        const { type } = FORMATS[parseOperation(rendition.operation).format]
        const key = renditionKey(image.sha256, rendition.operation)
        return sendBlob(request, reply, blobs, { ...renditionBlob(deps, image, key, rendition.size), type, cacheControl })
      },
    })
  }

  addEndpoint(fastify, {
    route: 'GET /api/images/:id/original',
    access: 'read',
    tag: 'Media',
    summary: 'Download the original',
    description:
      'The bytes as they were sent, with their name. Only for who may see the image. Checked by their SHA-256: up to 1 MiB before the first byte is sent, larger ones while they are sent, so that a damaged one breaks off before its end. A range of a larger one is not checked, nor is what the store of a cluster sends itself.',
    examples: { id: EXAMPLE_IDS.image },
    headers: mediaHeaders,
    answers: mediaAnswers('application/octet-stream'),
    errors: ['range_not_satisfiable', 'original_missing', 'original_damaged', 'storage_unavailable'],
    handlesHead: true,
    async handler(request, reply) {
      const image = await images.get(request.params.id, seesOf(request.principal))
      if (image === null) throw new CalotypeError('not_found')
      const { type } = FORMATS[image.format]
      const { size, name } = image
      return sendBlob(request, reply, blobs, {
        key: originalKey(image.sha256),
        type,
        size,
        cacheControl: PRIVATE,
        attachmentName: name,
        read: (range) => readOriginal(deps, image, range),
        find: () => findOriginal(deps, image),
      })
    },
  })
}

/** `rendition_missing` where it is not there any more. */
function renditionBlob(
  { images, blobs, onLoss }: Pick<MediaDeps, 'images' | 'blobs' | 'onLoss'>,
  image: Image,
  key: string,
  size: number,
): Pick<Blob, 'key' | 'size' | 'read' | 'find'> {
  const isLost = async () => {
    if (!(await images.get(image.id, null))) return new CalotypeError('not_found', 'The image was deleted.')
    onLoss({ code: 'rendition_missing', image, key })
    return new CalotypeError('rendition_missing')
  }
  const find = async () => {
    if ((await blobs.stat(key))?.size !== size) throw await isLost()
  }
  return {
    key,
    size,
    find,
    async read(range = { start: 0, end: size - 1 }) {
      try {
        const body = await blobs.read(key, range)
        // Shorter than it was: what is sent breaks off, and whoever looks after the server is told why.
        return body.once('error', () => void find().catch(() => undefined))
      } catch (error) {
        throw error instanceof CalotypeError && error.code === 'not_found' ? await isLost() : error
      }
    },
  }
}

/**
 * Answers GET or HEAD with a blob. Where clients can have it from the store itself, they are told where: 302, for the minutes its
 * link is good. Else: 200, 206 for a single byte range, 304 to a known `If-None-Match`, 416 for a range that lies
 * outside. Several ranges are answered with the whole (RFC 9110, 14.2 leaves that to the server). Rejects as the blob does when its
 * bytes are gone. A client that leaves ends the reading.
 */
async function sendBlob(
  request: FastifyRequest,
  reply: FastifyReply,
  blobs: Pick<BlobStore, 'link'>,
  { key, type, size, cacheControl, attachmentName, read, find }: Blob,
): Promise<FastifyReply> {
  const contentDisposition = attachmentName === undefined ? {} : { contentDisposition: attachment(attachmentName) }
  const link = await blobs.link(key, { method: request.method === 'HEAD' ? 'HEAD' : 'GET', type, cacheControl, ...contentDisposition })
  if (link !== null) {
    // Whoever comes next to the same browser is asked anew whether they may.
    const kept = cacheControl === IMMUTABLE ? `private, max-age=${link.seconds}` : PRIVATE
    return reply.header('cache-control', kept).redirect(link.url, 302)
  }
  // Not the SHA-256 in the key itself: headers don't give hashes of content away either.
  const etag = `"${createHash('sha256').update(key).digest('hex').slice(0, 32)}"`
  const isHead = request.method === 'HEAD'
  // Not its Cache-Control, which asks caches to validate: fetch sends `no-cache` with every If-None-Match set by hand.
  const notModified = fresh({ 'if-none-match': request.headers['if-none-match'] }, { etag })
  const range = isHead || notModified ? null : requestedRange(request, etag, size)
  if (range === 'outside') {
    return sendProblem(reply.header('content-range', `bytes */${size}`), new CalotypeError('range_not_satisfiable'))
  }
  // Before any header: an error must not be kept as long as an image.
  if (isHead && !notModified) await find()
  const body = isHead || notModified ? null : await read(range ?? undefined)

  reply.headers({
    etag,
    'cache-control': cacheControl,
    'accept-ranges': 'bytes',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    // Pages of any site may show an image that is public, also those that isolate themselves (COEP); all else is for our own.
    'cross-origin-resource-policy': cacheControl === IMMUTABLE ? 'cross-origin' : 'same-origin',
  })
  if (notModified) return reply.code(304).send()
  if (attachmentName !== undefined) reply.header('content-disposition', attachment(attachmentName))
  if (range !== null) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
  reply.type(type).header('content-length', range === null ? size : range.end - range.start + 1)
  return reply.send(body)
}

/** A flag of range-parser's `code`: some range is not written as RFC 9110 has it. */
const MALFORMED = 1

/** Bytes `start` to `end`, inclusive; null for the whole, which is also the answer to what can't be understood. */
function requestedRange(request: FastifyRequest, etag: string, size: number): ByteRange | 'outside' | null {
  const { range, 'if-range': ifRange } = request.headers
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return null
  if (range.includes(',')) return null
  const { type, code, ranges } = parseRange(size, range)
  if (type !== 'bytes' || (code & MALFORMED) !== 0) return null
  return ranges[0] ?? 'outside'
}

/** File systems take no longer names, and clients no endless headers. */
const MAX_NAME_BYTES = 200

/**
 * A `Content-Disposition` that no name can break out of (RFC 6266; `filename*` by RFC 5987, 3.2), with the name as `downloadName`
 * makes it.
 */
export function attachment(name: string): string {
  const shown = downloadName(name)
  const ascii = shown.replace(/[^\x20-\x7e]|["%]/gu, '_')
  const encoded = encodeURIComponent(shown).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

/**
 * A name that is no path, for the disk of who downloads. Left out: control characters and marks that turn the direction of text, as
 * they hide its extension. Slashes become `_`; a long name keeps its end.
 */
export function downloadName(name: string): string {
  const clean = name
    .toWellFormed()
    .replace(/[\p{Cc}\p{Bidi_Control}]/gu, '')
    .replace(/[/\\]/g, '_')
  const [, stem = '', extension = ''] = /^(.*?)(\.[^.]{1,10})?$/su.exec(clean) ?? []
  return cutToBytes(stem, MAX_NAME_BYTES - Buffer.byteLength(extension)) + extension || 'image'
}

/** The longest beginning of whole characters that fits. */
function cutToBytes(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes))
  return text.slice(0, read)
}
