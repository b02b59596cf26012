// The queue on the wire, for administrators: what waits, and the pause.
import { z } from 'zod'
import { count, milliseconds, sent, time } from './common.ts'

const MAX_PAUSE_MINUTES = 24 * 60

export const pause = sent(
  'Pause',
  () => z.strictObject({ by: z.string(), reason: z.string(), since: time(), until: time().describe('It ends by itself') }),
  { by: 'root@example.org', reason: 'A new disk', since: '2026-11-25T10:00:00.000Z', until: '2026-11-25T11:00:00.000Z' },
)
/** While the queue is paused nothing new is begun; what is in hand is finished. */
export type ApiPause = z.output<typeof pause.schema>

export const queue = sent(
  'Queue',
  () =>
    z.strictObject({ pending: count(), processing: count(), oldest_pending_ms: milliseconds().nullable(), pause: pause.schema.nullable() }),
  { pending: 12, processing: 4, oldest_pending_ms: 900, pause: pause.example },
)
export type ApiQueue = z.output<typeof queue.schema>

export const pauseBody = z.strictObject({
  minutes: z.number().positive().max(MAX_PAUSE_MINUTES),
  reason: z.string().trim().max(500).default(''),
})
export type ApiPauseRequest = z.input<typeof pauseBody>
