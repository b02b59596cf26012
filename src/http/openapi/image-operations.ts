// The API description of images: lists, one image, many at once, and their bytes.
import { z } from 'zod'
import { FORMATS } from '../../image.ts'
import { PRESETS, type Preset } from '../../rendition/presets.ts'
import { mediaFolder } from '../wire/images.ts'
import type { Answer, Operation, Operations } from './operation.ts'
import * as sample from './samples.ts'
import * as wire from './wire-schemas.ts'

const imagePage: Answer = {
  description: 'A page of images: fewer than asked for where names are long, or a search goes on in another page',
  schema: z.array(wire.image),
  example: [sample.image],
  headers: { Link: 'rel="next": the next page; absent on the last' },
}
const bytes = (type: string): Answer => ({
  description: 'The bytes',
  type,
  headers: { ETag: 'For If-None-Match', 'Accept-Ranges': 'bytes' },
})

const media = (summary: string, file: string, type: string): Operation => ({
  tag: 'Media',
  summary,
  description:
    'The address is the one an image names. Answers a single byte range, and 302 to the store of a cluster where browsers may fetch from it. Where media are private (MEDIA_ACCESS), who may not see the image gets 404.',
  parameters: { file },
  headers: {
    Range: { description: 'One range of bytes', example: 'bytes=0-1023' },
    'If-None-Match': { description: 'The ETag of what is there already', example: '"5f3c9a0e41d2b87c6f50a1e2d3948b7c"' },
  },
  answers: {
    200: bytes(type),
    206: { ...bytes(type), description: 'The range', headers: { 'Content-Range': 'Which bytes of how many' } },
    302: { description: 'The store has it, at this address', headers: { Location: 'Good for some minutes' } },
    304: { description: 'It is what you have' },
  },
  errors: ['range_not_satisfiable', 'rendition_missing', 'storage_unavailable'],
})

const SUMMARIES: Record<string, string> = { image: 'The developed image', thumbnail: 'The thumbnail, a WebP of at most 320 px' }

function ofPreset(name: string, { format }: Preset): Operation {
  const { type, extension } = FORMATS[format === 'same' ? 'jpeg' : format]
  return media(SUMMARIES[name] ?? `The rendition of the preset "${name}"`, `${sample.IMAGE_ID}-v1.${extension}`, type)
}

const many = { example: { ids: [sample.IMAGE_ID] } }
const archive: Answer = { description: 'A ZIP, streamed while it is made', type: 'application/zip' }

export const imageOperations: Operations = {
  'GET /api/list': {
    tag: 'Images',
    summary: 'List images, newest first: all of them, or a page',
    description: 'Without `limit` and `cursor` all images, streamed. With either, a page.',
    parameters: { limit: 100 },
    answers: { 200: imagePage },
  },
  'GET /api/images': {
    tag: 'Images',
    summary: 'Search images',
    parameters: { q: 'harbour', status: 'completed', format: 'jpeg', batch: sample.BATCH_ID, sort: 'newest', limit: 100 },
    answers: { 200: imagePage },
  },
  'GET /api/images/count': {
    tag: 'Images',
    summary: 'Count images by a filter',
    parameters: { q: 'harbour', status: 'completed', format: 'jpeg', batch: sample.BATCH_ID },
    answers: { 200: { description: 'How many there are', schema: wire.imageCount, example: { images: 1 } } },
  },
  'GET /api/images/:id': {
    tag: 'Images',
    summary: 'Read an image',
    parameters: { id: sample.IMAGE_ID },
    answers: { 200: { description: 'The image', schema: wire.image, example: sample.image } },
  },
  'DELETE /api/images/:id': {
    tag: 'Images',
    summary: 'Delete an image',
    parameters: { id: sample.IMAGE_ID },
    answers: { 204: { description: 'It is gone' } },
  },
  'POST /api/images/:id/retry': {
    tag: 'Images',
    summary: 'Develop a failed image again',
    parameters: { id: sample.IMAGE_ID },
    answers: { 202: { description: 'It waits', schema: wire.image, example: sample.pendingImage } },
    errors: ['not_retryable'],
  },
  'POST /api/images/delete': {
    tag: 'Images',
    summary: 'Delete many images',
    body: many,
    answers: { 200: { description: 'How many went', schema: wire.deleted, example: { deleted: 1 } } },
    errors: ['not_json', 'file_too_large'],
  },
  'POST /api/images/retry': {
    tag: 'Images',
    summary: 'Develop many failed images again',
    body: many,
    answers: { 202: { description: 'How many wait', schema: wire.retried, example: { retried: 1 } } },
    errors: ['not_json', 'file_too_large'],
  },
  'GET /api/images/archive': {
    tag: 'Media',
    summary: 'Download originals as one ZIP, by a filter or by ids',
    parameters: { q: 'harbour', sort: 'newest' },
    answers: { 200: archive },
    errors: ['not_found', 'original_missing', 'original_damaged', 'storage_unavailable'],
  },
  'POST /api/images/archive': {
    tag: 'Media',
    summary: 'Download originals as one ZIP, by more ids than a URL holds',
    body: { type: 'application/x-www-form-urlencoded', example: { id: [sample.IMAGE_ID] } },
    answers: { 200: archive },
    errors: ['not_found', 'file_too_large', 'original_missing', 'original_damaged', 'storage_unavailable'],
  },
  'GET /api/images/:id/original': {
    ...media('Download the original', sample.IMAGE_FILE, 'application/octet-stream'),
    description:
      'The bytes as they were sent, with their name. Only for who may see the image. Checked by their SHA-256: up to 1 MiB before the first byte is sent, larger ones while they are sent, so that a damaged one breaks off before its end. A range of a larger one is not checked, nor is what the store of a cluster sends itself.',
    parameters: { id: sample.IMAGE_ID },
    errors: ['range_not_satisfiable', 'original_missing', 'original_damaged', 'storage_unavailable'],
  },
  ...Object.fromEntries(Object.entries(PRESETS).map(([name, preset]) => [`GET /media/${mediaFolder(name)}/:file`, ofPreset(name, preset)])),
}
