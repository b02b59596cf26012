// The live feed on the wire: a message for each change of an image, over the WebSocket and by polling.
import { z } from 'zod'
import { bytes, errorCode, EXAMPLE_IDS, limit, sent, sentence } from './common.ts'
import { image, status, uploadTime } from './images.ts'

export const MAX_EVENTS = 1_000
export const SEQ = 'm3k9q1.42'

export const notification = sent(
  'Notification',
  () =>
    z.strictObject({
      type: z.literal('send_upload_notification'),
      job_id: z.string(),
      status,
      image: z.string().nullable(),
      thumbnail: z.string().nullable(),
      id: z.uuid(),
      name: z.string(),
      size: bytes(),
      message: z.string(),
      upload_time: uploadTime(),
      error: sentence().nullable(),
      code: errorCode.nullable(),
      seq: z.string().describe('Opaque: hand the last one back as ?since= to hear what was missed'),
    }),
  {
    type: 'send_upload_notification',
    job_id: image.example.job_id,
    status: 'completed',
    image: image.example.image,
    thumbnail: image.example.thumbnail,
    id: EXAMPLE_IDS.image,
    name: image.example.name,
    size: image.example.size,
    message: 'Image uploaded successfully',
    upload_time: image.example.upload_time,
    error: null,
    code: null,
    seq: SEQ,
  },
)
/** One message of `WS /ws/upload/` about one image. */
export type ApiNotification = z.output<typeof notification.schema>

export const events = sent(
  'Events',
  () =>
    z.strictObject({
      events: z.array(notification.schema),
      last: z.string().describe('Where to go on: the next `since`'),
      resync: z.boolean().describe('What was missed is no longer known: read the lists again'),
    }),
  { events: [notification.example], last: SEQ, resync: false },
)
/** `GET /api/events?since=`: what a watcher would have heard since. */
export type ApiEvents = z.output<typeof events.schema>

export const eventsQuery = z.object({ since: z.string().optional(), limit: limit(MAX_EVENTS).default(MAX_EVENTS) })
