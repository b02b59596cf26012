// What someone is told who failed too often to sign in.
import type { Problem } from '../../api/problem.ts'

const CLOCK = new Intl.DateTimeFormat('en', { timeStyle: 'short' })

/** The server's sentence says for how long to wait and what else can be done; here it is told by the clock as well. */
export function throttledUntil({ message, retryAfterMs }: Problem): string {
  return retryAfterMs === null ? message : `${message} You can try again at ${CLOCK.format(Date.now() + retryAfterMs)}.`
}
