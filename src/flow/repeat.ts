// Repeats an action for as long as a process runs: its sweeps, its reports.
import type { Logger } from '../log.ts'

/**
 * Calls `action` every `intervalMs` until ended, never while an earlier call is under way; also at once, with `atOnce`. An action that
 * rejects is logged as `what`, and called again at its next turn. `end` waits for the call that is under way.
 */
export function repeat(
  what: string,
  intervalMs: number,
  log: Pick<Logger, 'error'>,
  action: () => Promise<void>,
  { atOnce = false } = {},
): { end(): Promise<void> } {
  let running: Promise<void> | null = null
  const turn = () => {
    running ??= action()
      .catch((error: unknown) => log.error({ err: error }, `${what} failed`))
      .finally(() => (running = null))
  }
  const timer = setInterval(turn, intervalMs)
  if (atOnce) turn()
  return {
    async end() {
      clearInterval(timer)
      await running
    },
  }
}
