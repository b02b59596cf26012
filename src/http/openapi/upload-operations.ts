// The API description of the ways in, of batches and of the live feed.
import { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'
import type { Operation, Operations } from './operation.ts'
import * as sample from './samples.ts'
import * as wire from './wire-schemas.ts'

const RECEIVING: ErrorCode[] = [
  'bad_request',
  'no_file',
  'wrong_field',
  'too_many_fields',
  'malformed_multipart',
  'empty_file',
  'upload_timeout',
  'file_too_large',
  'names_too_long',
  'unsupported_format',
  'not_multipart',
  'unsupported_encoding',
  'quota_exceeded',
  'overloaded',
  'storage_unavailable',
  'storage_full',
]

const idempotencyKey = {
  'Idempotency-Key': {
    description: 'The same key with the same content gets the first answer again, and nothing is taken twice. 1 to 255 characters.',
    example: '6f1c2b1e-harbour',
  },
}

const multipart = (field: string, isList: boolean): NonNullable<Operation['body']> => ({
  type: 'multipart/form-data',
  schema: {
    type: 'object',
    required: [field],
    properties: {
      [field]: isList
        ? { type: 'array', minItems: 1, items: { type: 'string', contentMediaType: 'application/octet-stream' } }
        : { type: 'string', contentMediaType: 'application/octet-stream' },
    },
  },
  example: { [field]: isList ? ['(bytes of harbour.jpg)', '(bytes of notes.txt)'] : '(bytes of harbour.jpg)' },
})

const RESUMED =
  'With `?batch=` the files belong to a declared batch: before each file a field `index` says its place in the declaration. It can be repeated: what came before changes nothing.'

const socket = (summary: string): Operation => ({
  tag: 'Live',
  summary,
  description:
    'A WebSocket. It greets with `{"message":"You are connected!","status":"ok","seq":…}`, then sends one message for each change of an image that who connects sees. A slow reader gets fewer `processing` messages, never fewer final ones. With a cookie the Origin has to be that of this server; it closes with 4401 when the session or key ends.',
  parameters: { since: sample.SEQ },
  answers: { 101: { description: 'The connection is a WebSocket from here on' } },
  errors: ['bad_request', 'origin_not_allowed'],
  extensions: {
    'x-websocket': {
      query: { since: 'The `seq` of the last message heard: what came after it is sent first.' },
      messages: {
        greeting: { message: 'You are connected!', status: 'ok', seq: sample.SEQ },
        change: { schema: { $ref: '#/components/schemas/Notification' }, example: sample.notification },
        resync: { description: 'What was missed is no longer known: read the lists again.', example: { type: 'resync' } },
      },
    },
  },
})

export const uploadOperations: Operations = {
  'POST /api/upload': {
    tag: 'Uploads',
    summary: 'Upload one image and wait for the outcome',
    headers: idempotencyKey,
    body: multipart('image', false),
    answers: {
      200: { description: 'The image is developed', schema: wire.uploaded, example: sample.uploaded },
      202: {
        description: 'It is safe, but not developed in time',
        schema: wire.uploaded,
        example: sample.stillProcessing,
        headers: { Location: 'Where the image is' },
      },
    },
    errors: [
      ...RECEIVING,
      'one_file_only',
      'not_found',
      'idempotency_conflict',
      'invalid_image',
      'image_too_large',
      'too_many_frames',
      'no_still_image',
      'metadata_too_large',
      'original_missing',
      'original_damaged',
      'not_enough_memory',
      'processing_crashed',
      'processing_timeout',
    ],
  },
  'POST /api/async/upload': {
    tag: 'Uploads',
    summary: 'Upload images and go on as soon as they are safe',
    description:
      'One bad file does not sink the others: it is listed in `rejected`. If nothing was acceptable, the answer is an error with the code of the first file, and has `rejected` all the same. A name longer than 1,024 bytes of UTF-8 is cut and ends in `…` and its extension; a part whose header is longer than 8 KiB is rejected.',
    headers: idempotencyKey,
    body: multipart('images', true),
    answers: { 202: { description: 'All that was taken is durable', schema: wire.initiated, example: sample.initiated } },
    errors: [...RECEIVING, 'too_many_files', 'idempotency_conflict'],
  },
  'POST /api/async/batch/upload': {
    tag: 'Uploads',
    summary: 'Upload images as one batch, or files of a declared batch',
    description: RESUMED,
    parameters: { batch: sample.BATCH_ID },
    headers: idempotencyKey,
    body: multipart('images', true),
    answers: { 202: { description: 'All that was taken is durable', schema: wire.initiated, example: sample.batchInitiated } },
    errors: [
      ...RECEIVING,
      'too_many_files',
      'idempotency_conflict',
      'not_found',
      'not_declared',
      'declaration_mismatch',
      'batch_cancelled',
      'batch_expired',
    ],
  },
  'POST /api/batches': {
    tag: 'Batches',
    summary: 'Declare a batch before its files are sent',
    description:
      'A file whose bytes are here already, by its SHA-256, is not sent again. The body is at most 16 MiB, a name at most 1,024 bytes of UTF-8, and all names together at most 10 MB. Files that are awaited count against the quota of a day.',
    headers: idempotencyKey,
    body: {
      example: {
        files: [
          { name: 'harbour.jpg', size: 2_483_112 },
          { name: 'mill.png', size: 81_224, sha256: sample.SHA256 },
        ],
      },
    },
    answers: {
      201: {
        description: 'What became of each file, in the order of the request',
        schema: wire.declared,
        example: sample.declared,
        headers: { Location: 'The batch' },
      },
    },
    errors: [
      'too_many_files',
      'names_too_long',
      'idempotency_conflict',
      'too_many_open_batches',
      'not_json',
      'file_too_large',
      'quota_exceeded',
      'overloaded',
    ],
  },
  'GET /api/batches': {
    tag: 'Batches',
    summary: 'List batches, newest first',
    parameters: { limit: 20 },
    answers: {
      200: { description: 'A page', schema: z.array(wire.batch), example: [sample.batch], headers: { Link: 'rel="next": the next page' } },
    },
  },
  'GET /api/batches/:id': {
    tag: 'Batches',
    summary: 'Count a batch, or page through its files',
    description: 'Without `status` the ledger of the batch; with it, the files in that state (`all` for all of them).',
    parameters: { id: sample.BATCH_ID, status: 'all', limit: 100 },
    answers: {
      200: {
        description: 'The batch; with `status`, a page of its files',
        schema: z.union([wire.batch, z.array(wire.batchFile)]),
        example: [sample.batchFile],
        headers: { Link: 'rel="next": the next page' },
      },
    },
  },
  'POST /api/batches/:id/cancel': {
    tag: 'Batches',
    summary: 'Cancel what is not done of a batch',
    parameters: { id: sample.BATCH_ID },
    answers: { 200: { description: 'The batch as it is now', schema: wire.batch, example: { ...sample.batch, pending: 0, aborted: 1 } } },
    errors: ['still_arriving'],
  },
  'POST /api/batches/:id/retry': {
    tag: 'Batches',
    summary: 'Try again what failed in a batch',
    parameters: { id: sample.BATCH_ID },
    answers: { 202: { description: 'The batch as it is now', schema: wire.batch, example: sample.batch } },
    errors: ['batch_cancelled', 'batch_expired'],
  },
  'GET /api/events': {
    tag: 'Live',
    summary: 'Hear what changed, by polling',
    description:
      'Without `since` it only says where to begin. An answer as long as its limit, or with half a megabyte of names, may have more behind it.',
    parameters: { since: sample.SEQ, limit: 1_000 },
    answers: { 200: { description: 'What a watcher would have heard since', schema: wire.events, example: sample.events } },
  },
  'GET /ws/upload/': socket('Hear of every change as it happens'),
  'GET /ws/upload': socket('Hear of every change as it happens (the same without the last slash)'),
}
