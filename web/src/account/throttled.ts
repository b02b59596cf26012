// When someone who failed too often may try again.
import type { Problem } from '../api/problem.ts'

const CLOCK = new Intl.DateTimeFormat('en', { timeStyle: 'short' })

export function throttledUntil({ retryAfterMs }: Problem): string {
  if (retryAfterMs === null) return 'There were too many failed attempts. Try again later.'
  const seconds = Math.ceil(retryAfterMs / 1000)
  const wait = seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
  return `There were too many failed attempts. Try again in ${wait}, at ${CLOCK.format(Date.now() + retryAfterMs)}.`
}
