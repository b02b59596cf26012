// The tables of the admin area: what administrators see and order. Times are milliseconds since 1970, UTC.
import type { Generated } from 'kysely'

/** Processes that develop, as they say of themselves. */
export interface WorkersTable {
  /** `<host>-<pid>`. */
  id: string
  kind: 'server' | 'worker'
  started_at: number
  seen_at: number
  concurrency: number
  busy: number
  developed: number
}

/** While its one row's time is not over, no work is claimed. */
export interface PausesTable {
  id: number
  paused_by: string
  reason: string
  since_at: number
  until_at: number
}

/** What is done to many images, in steps. */
export interface JobsTable {
  id: string
  action: 'delete' | 'retry'
  /** JSON: the images it is about. */
  selection: string
  state: 'waiting' | 'running' | 'done' | 'cancelled' | 'failed'
  seen: Generated<number>
  changed: Generated<number>
  total: number
  /** Where the last step ended. */
  cursor: string | null
  /** JSON: the ids that the step in hand is about, until it is done. */
  step: string | null
  /** JSON: for the audit log. */
  actor: string
  /** For people: an e-mail address, or where it came from. */
  made_by: string
  created_at: number
  finished_at: number | null
  error: string | null
  lease_token: string | null
  lease_until: number | null
}
