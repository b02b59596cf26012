// The audit log on the wire.
import { z } from 'zod'
import { pageQuery, user, VIA } from './accounts.ts'
import { EXAMPLE_IDS, person, search, sent, time, timeInMs } from './common.ts'
import { key } from './keys.ts'

export const auditEntry = sent(
  'AuditEntry',
  () =>
    z.strictObject({
      id: z.uuid(),
      at: time(),
      user: person(z.uuid()).describe('Null where nobody signed in, on an open server, and for commands'),
      via: z.enum([...VIA, 'cli']),
      credential: z.string().nullable().describe('Of the session or key'),
      action: z.string(),
      target: z.strictObject({ kind: z.string(), id: z.string() }).nullable(),
      address: z.string().nullable(),
      detail: z.record(z.string(), z.unknown()),
    }),
  {
    id: EXAMPLE_IDS.auditEntry,
    at: '2026-11-25T10:00:00.000Z',
    user: { id: EXAMPLE_IDS.user, email: user.example.email },
    via: 'session',
    credential: EXAMPLE_IDS.session,
    action: 'key.created',
    target: { kind: 'key', id: EXAMPLE_IDS.key },
    address: '192.0.2.7',
    detail: { name: key.example.name, scopes: key.example.scopes },
  },
)
export type ApiAuditEntry = z.output<typeof auditEntry.schema>

const filter = {
  actor: z.string().max(254).optional(),
  action: z.string().max(100).optional(),
  q: search,
  from: timeInMs.optional(),
  to: timeInMs.optional(),
}
export const auditQuery = z.object({ ...pageQuery, ...filter })
export const auditExportQuery = z.object(filter)
