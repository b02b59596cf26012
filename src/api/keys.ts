// API keys on the wire.
import { z } from 'zod'
import { SCOPES } from '../access.ts'
import { name, pageQuery, scopes, user } from './accounts.ts'
import { EXAMPLE_IDS, sent, time, timeInMs } from './common.ts'

const fields = () => ({
  id: z.uuid(),
  prefix: z.string().describe('The beginning of the key'),
  name: z.string(),
  owner: z.strictObject({ id: z.uuid(), email: z.email() }),
  scopes: scopes(),
  created_at: time(),
  expires_at: time().nullable(),
  last_used_at: time().nullable(),
  revoked_at: time().nullable(),
})

export const key = sent('Key', () => z.strictObject(fields()), {
  id: EXAMPLE_IDS.key,
  prefix: 'calo_Ab3xYz',
  name: 'The scanner',
  owner: { id: EXAMPLE_IDS.user, email: user.example.email },
  scopes: ['upload'],
  created_at: '2026-11-25T09:00:00.000Z',
  expires_at: '2027-11-25T09:00:00.000Z',
  last_used_at: null,
  revoked_at: null,
})
export type ApiKey = z.output<typeof key.schema>

export const newKey = sent(
  'NewKey',
  () => z.strictObject({ ...fields(), key: z.string().describe('For `Authorization: Bearer`; shown this once') }),
  { ...key.example, key: 'calo_Ab3xYz0123456789abcdefghijklmnopqrstuvwxyzABC' },
)
export type ApiNewKey = z.output<typeof newKey.schema>

export const keyBody = z.object({ name, scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length), expires_at: timeInMs.nullish() })
export const keysQuery = z.object(pageQuery)
