// The contract of the audit log: who did what, when, from where. Entries are added, never changed.
import { z } from 'zod'
import type { Principal } from '../../access.ts'
import type { PageOf } from '../../db/keyset.ts'

const WAYS = ['open', 'session', 'key', 'nobody', 'cli'] as const satisfies (Principal['via'] | 'cli')[]

/** Who acts. */
const actor = z.object({
  via: z.enum(WAYS),
  userId: z.string().nullable(),
  credentialId: z.string().nullable(),
  /** Null for a command. */
  address: z.string().nullable(),
})
export type Actor = z.output<typeof actor>

/** Of what was kept with a job. Throws for what is no actor. */
export const parseActor = (kept: object): Actor => actor.parse(kept)

export interface AuditRecord {
  actor: Actor
  /** `what.happened`: `login`, `login.failed`, `image.delete`… */
  action: string
  target?: { kind: string; id: string }
  /** What else is worth knowing. Never a secret. */
  detail?: Record<string, unknown>
}

export interface AuditEntry extends Actor {
  id: string
  /** Milliseconds since 1970. */
  at: number
  /** Of the actor, as it was then. */
  email: string | null
  action: string
  target: { kind: string; id: string } | null
  detail: Record<string, unknown>
}

export interface AuditQuery {
  limit: number
  cursor?: string
  /** In the actor's e-mail address, or their id, whole. */
  actor?: string
  /** Whole, or up to a dot: `login` finds `login.failed`, too. */
  action?: string
  /** Anywhere in address, target, action, e-mail or detail; upper and lower case are the same. */
  q?: string
  /** Milliseconds since 1970: from then on. */
  from?: number
  /** Before then. */
  to?: number
}

export interface AuditLog {
  /** Durable when it resolves. */
  record(entry: AuditRecord): Promise<void>
  /** The newest first. */
  list(query: AuditQuery): Promise<PageOf<AuditEntry>>
}
