// The API description of the admin area.
import { z } from 'zod'
import type * as api from '../../api-admin.ts'
import { ERRORS } from '../../errors.ts'
import * as admin from './admin-schemas.ts'
import type { Answer, Operations } from './operation.ts'
import * as sample from './samples.ts'

const JOB_ID = '019abe00-5555-7000-8000-0123456789ab'
const MINUTE = '2026-11-25T10:00:00.000Z'
const owner = { id: sample.USER_ID, email: sample.user.email }

const pause: api.ApiPause = { by: 'root@example.org', reason: 'A new disk', since: MINUTE, until: '2026-11-25T11:00:00.000Z' }
const overview: api.ApiOverview = {
  images: { pending: 12, processing: 4, completed: 90_211, error: 37, aborted: 0 },
  original_bytes: 158_200_113_004,
  oldest_pending_ms: 900,
  minutes: [{ at: MINUTE, completed: 1_204, failed: 1 }],
  failures: [{ code: 'invalid_image', images: 37 }],
  disk: { free_bytes: 81_000_000_000, total_bytes: 252_000_000_000 },
  database_bytes: 71_303_168,
  workers: { alive: 1, children: 2, busy: 2 },
  pause: null,
  deletion_halt: null,
}
const image: api.ApiAdminImage = { ...sample.image, owner, attempts: 1 }
const detail: api.ApiImageDetail = {
  ...image,
  timeline: [{ step: 'received', at: sample.image.uploaded_at, after_ms: null, worker: null, detail: '2,483,112 bytes' }],
}
const failure: api.ApiFailureGroup = {
  code: 'invalid_image',
  error: ERRORS.invalid_image,
  images: 37,
  last_at: MINUTE,
  samples: [{ ...sample.pendingImage, status: 'error', finished_at: MINUTE, code: 'invalid_image', error: ERRORS.invalid_image }],
}
const worker: api.ApiWorker = {
  id: 'photos-4711',
  kind: 'server',
  started_at: MINUTE,
  last_seen_at: MINUTE,
  alive: true,
  concurrency: 2,
  busy: 1,
  developed: 90_248,
  in_hand: [{ id: sample.IMAGE_ID, name: sample.image.name, started_at: MINUTE }],
}
const queue: api.ApiQueue = { pending: 12, processing: 4, oldest_pending_ms: 900, pause }
const job: api.ApiJob = {
  id: JOB_ID,
  action: 'retry',
  state: 'running',
  seen: 500,
  changed: 498,
  total: 1_000,
  by: 'root@example.org',
  created_at: MINUTE,
  finished_at: null,
  error: null,
}
const setting: api.ApiSetting = {
  name: 'PORT',
  value: '8000',
  default: '8000',
  help: 'Port to listen on; 0 takes any free one.',
  is_set: false,
  is_secret: false,
}

const one = (description: string, schema: z.ZodType, example: unknown): Answer => ({ description, schema, example })
const all = (description: string, schema: z.ZodType, example: unknown): Answer => ({
  description,
  schema: z.array(schema),
  example: [example],
})
const page = (description: string, schema: z.ZodType, example: unknown): Answer => ({
  ...all(description, schema, example),
  headers: { Link: 'rel="next": the next page; absent on the last' },
})
const json = ['not_json', 'file_too_large'] as const
const tag = 'Administration'
const selection = { filter: { status: 'error' } }

export const adminOperations: Operations = {
  'GET /api/admin/overview': { tag, summary: 'How it stands', answers: { 200: one('Now', admin.overview, overview) } },
  'GET /api/admin/failures': {
    tag,
    summary: 'What failed, by its reason',
    answers: { 200: all('Most first', admin.failureGroup, failure) },
  },
  'GET /api/admin/workers': { tag, summary: 'Who develops', answers: { 200: all('Each process', admin.worker, worker) } },
  'GET /api/admin/settings': {
    tag,
    summary: 'The settings, secrets masked',
    answers: { 200: all('Each setting', admin.setting, setting) },
  },
  'GET /api/admin/images': {
    tag,
    summary: 'Everyone’s images',
    parameters: { q: 'harbour', status: 'error', sort: '-size', limit: 100 },
    answers: { 200: page('A page', admin.adminImage, image) },
  },
  'GET /api/admin/images/:id': {
    tag,
    summary: 'An image and its timeline',
    parameters: { id: sample.IMAGE_ID },
    answers: { 200: one('The image', admin.imageDetail, detail) },
  },
  'GET /api/admin/batches': {
    tag,
    summary: 'Everyone’s batches',
    parameters: { state: 'open', limit: 20 },
    answers: { 200: page('A page, newest first', admin.adminBatch, { ...sample.batch, owner }) },
  },
  'GET /api/admin/queue': { tag, summary: 'What waits, and whether it may go on', answers: { 200: one('Now', admin.queue, queue) } },
  'POST /api/admin/queue/pause': {
    tag,
    summary: 'Begin nothing new for some minutes',
    description: 'What is in hand is finished. It ends by itself.',
    body: { example: { minutes: 60, reason: pause.reason } },
    answers: { 200: one('Paused', admin.queue, queue) },
    errors: [...json],
  },
  'POST /api/admin/queue/resume': {
    tag,
    summary: 'Go on',
    answers: { 200: one('It goes on', admin.queue, { ...queue, pause: null }) },
  },
  'POST /api/admin/selection/count': {
    tag,
    summary: 'How many images a bulk action would be about',
    body: { example: selection },
    answers: { 200: one('The number to confirm', admin.selectionCount, { images: 1_000 }) },
    errors: [...json],
  },
  'POST /api/admin/jobs': {
    tag,
    summary: 'Delete or retry many images in the background',
    description: 'Images that are uploaded after it was made are not touched.',
    body: { example: { action: 'retry', selection, confirmed: 1_000 } },
    answers: { 201: one('The job', admin.job, { ...job, state: 'waiting', seen: 0, changed: 0 }) },
    errors: [...json, 'count_changed'],
  },
  'GET /api/admin/jobs': {
    tag,
    summary: 'Bulk actions',
    parameters: { limit: 20 },
    answers: { 200: page('A page, newest first', admin.job, job) },
  },
  'GET /api/admin/jobs/:id': {
    tag,
    summary: 'How far a bulk action is',
    parameters: { id: JOB_ID },
    answers: { 200: one('The job', admin.job, job) },
  },
  'POST /api/admin/jobs/:id/cancel': {
    tag,
    summary: 'End a bulk action where it is',
    parameters: { id: JOB_ID },
    answers: { 200: one('The job', admin.job, { ...job, state: 'cancelled', finished_at: MINUTE }) },
  },
}
