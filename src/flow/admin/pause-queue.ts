// Stops all development for a while, and lets it go on: on every server and worker, by the statement that claims work.
import type { Actor, AuditLog } from '../../accounts/audit/audit-log.ts'
import type { Pause, WorkPause } from '../../record/work/work-pause.ts'

interface Deps {
  pause: WorkPause
  audit: AuditLog
}

const MINUTE_MS = 60_000
const TARGET = { kind: 'queue', id: 'queue' }

/** What is in hand is finished. Ends by itself; one that there is already is replaced. */
export async function pauseQueue(
  { pause, audit }: Deps,
  actor: Actor,
  { by, reason, minutes }: { by: string; reason: string; minutes: number },
): Promise<Pause> {
  const begun = await pause.begin({ by, reason, ms: minutes * MINUTE_MS })
  await audit.record({ actor, action: 'queue.paused', target: TARGET, detail: { reason, until: new Date(begun.until).toISOString() } })
  return begun
}

/** Repeatable. */
export async function resumeQueue({ pause, audit }: Deps, actor: Actor): Promise<void> {
  if (await pause.end()) await audit.record({ actor, action: 'queue.resumed', target: TARGET })
}
