// What the API description shows as examples, of the types of the wire.
import type {
  ApiAuditEntry,
  ApiBatch,
  ApiBatchFile,
  ApiDeclared,
  ApiEvents,
  ApiImage,
  ApiInitiated,
  ApiKey,
  ApiMe,
  ApiNewKey,
  ApiNotification,
  ApiRejected,
  ApiSession,
  ApiUploaded,
  ApiUser,
  ApiUserWithPassword,
} from '../../api.ts'
import { ERRORS } from '../../errors.ts'

export const IMAGE_ID = '019abf0e-5c1e-7a42-9d0b-3f6f3a1c2b77'
export const BATCH_ID = '019abf0e-5b9a-7c11-8f2d-6a0c9e4d1f05'
export const USER_ID = '019abe00-1111-7000-8000-0123456789ab'
const KEY_ID = '019abe00-2222-7000-8000-0123456789ab'
export const SESSION_ID = '019abe00-3333-7000-8000-0123456789ab'
export const SEQ = 'm3k9q1.42'
export const IMAGE_FILE = `${IMAGE_ID}-v1.jpg`
const THUMBNAIL_FILE = `${IMAGE_ID}-v1.webp`
export const KEY_PATH_ID = KEY_ID
export const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'

export const image: ApiImage = {
  id: IMAGE_ID,
  job_id: `${BATCH_ID}-0`,
  name: 'harbour.jpg',
  type: 'image/jpeg',
  size: 2_483_112,
  status: 'completed',
  uploaded_at: '2026-11-25T10:00:00.000Z',
  finished_at: '2026-11-25T10:00:00.500Z',
  upload_time: '0.5 seconds',
  image: `/media/images/${IMAGE_FILE}`,
  thumbnail: `/media/thumbnails/${THUMBNAIL_FILE}`,
  thumbhash: '1QcSHQRnh493V4dIh4eXh1h4kJUI',
  width: 1500,
  height: 1000,
  error: null,
  code: null,
}

const waiting = { finished_at: null, upload_time: null, image: null, thumbnail: null, thumbhash: null, width: null, height: null }
export const pendingImage: ApiImage = { ...image, status: 'pending', ...waiting }

const rejected: ApiRejected = { name: 'notes.txt', code: 'unsupported_format', error: ERRORS.unsupported_format, index: 1 }

export const uploaded: ApiUploaded = { message: 'Image uploaded successfully', image }
export const stillProcessing: ApiUploaded = { message: 'Image is still being processed', image: { ...pendingImage, status: 'processing' } }
export const initiated: ApiInitiated = {
  message: 'Images upload initiated',
  job_id: BATCH_ID,
  images: [pendingImage],
  rejected: [rejected],
}
export const batchInitiated: ApiInitiated = { ...initiated, message: 'Batch upload of 1 images initiated' }

export const declared: ApiDeclared = {
  id: BATCH_ID,
  declared: 3,
  expires_at: '2026-12-02T10:00:00.000Z',
  files: [
    { state: 'needed' },
    { state: 'known', image: IMAGE_ID },
    { state: 'rejected', code: 'file_too_large', error: ERRORS.file_too_large },
  ],
}

export const batch: ApiBatch = {
  id: BATCH_ID,
  kind: 'batch',
  created_at: '2026-11-25T10:00:00.000Z',
  received_at: '2026-11-25T10:00:00.400Z',
  finished_at: null,
  expires_at: null,
  declared: 3,
  needed: 0,
  pending: 1,
  processing: 0,
  completed: 1,
  error: 0,
  aborted: 0,
  rejected: 1,
  expired: 0,
}

export const batchFile: ApiBatchFile = {
  index: 0,
  name: image.name,
  size: image.size,
  status: 'completed',
  image,
  code: null,
  error: null,
}

export const notification: ApiNotification = {
  type: 'send_upload_notification',
  job_id: image.job_id,
  status: 'completed',
  image: image.image,
  thumbnail: image.thumbnail,
  id: IMAGE_ID,
  name: image.name,
  size: image.size,
  message: 'Image uploaded successfully',
  upload_time: image.upload_time,
  error: null,
  code: null,
  seq: SEQ,
}
export const events: ApiEvents = { events: [notification], last: SEQ, resync: false }

export const user: ApiUser = {
  id: USER_ID,
  email: 'ada@example.org',
  name: 'Ada',
  role: 'member',
  created_at: '2026-11-20T09:00:00.000Z',
  disabled_at: null,
  quota: { bytes: null, images: 2_000 },
  used_today: { bytes: 2_483_112, images: 1 },
}
export const me: ApiMe = { auth: 'required', via: 'session', user, scopes: ['upload', 'read', 'delete'] }
export const userWithPassword: ApiUserWithPassword = { user, password: 'mZrk2n0s4Xy1QwT8uVb6cD3e' }

export const session: ApiSession = {
  id: SESSION_ID,
  created_at: '2026-11-25T08:00:00.000Z',
  last_seen_at: '2026-11-25T10:00:00.000Z',
  expires_at: '2026-12-25T08:00:00.000Z',
  address: '192.0.2.7',
  user_agent: 'Mozilla/5.0',
  current: true,
}

export const key: ApiKey = {
  id: KEY_ID,
  prefix: 'calo_Ab3xYz',
  name: 'The scanner',
  owner: { id: USER_ID, email: user.email },
  scopes: ['upload'],
  created_at: '2026-11-25T09:00:00.000Z',
  expires_at: '2027-11-25T09:00:00.000Z',
  last_used_at: null,
  revoked_at: null,
}
export const newKey: ApiNewKey = { ...key, key: 'calo_Ab3xYz0123456789abcdefghijklmnopqrstuvwxyzABC' }

export const auditEntry: ApiAuditEntry = {
  id: '019abe00-4444-7000-8000-0123456789ab',
  at: '2026-11-25T10:00:00.000Z',
  user: { id: USER_ID, email: user.email },
  via: 'session',
  credential: SESSION_ID,
  action: 'key.created',
  target: { kind: 'key', id: KEY_ID },
  address: '192.0.2.7',
  detail: { name: key.name, scopes: key.scopes },
}
