// What can go wrong between the page and the server, as one kind of error.
import type { ApiError } from '../../../src/api/errors.ts'

/** The codes of the API, and what only a browser knows: no answer came, or one that is none of ours. */
export type ProblemCode = ApiError['code'] | 'unreachable' | 'unexpected'

/** `message` is a sentence for a person. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  /** Of the answer; 0 without one. */
  readonly status: number
  /** As the server asked; null if it did not. */
  readonly retryAfterMs: number | null

  constructor(
    code: ProblemCode,
    message: string,
    { status = 0, retryAfterMs = null }: { status?: number; retryAfterMs?: number | null } = {},
  ) {
    super(message)
    this.code = code
    this.status = status
    this.retryAfterMs = retryAfterMs
  }

  /** Nobody is signed in, or not any more. */
  get isSignedOut(): boolean {
    return this.code === 'unauthorized'
  }

  /** Whether the same, tried again later, may go well. */
  get isPassing(): boolean {
    return this.status === 0 || this.isSignedOut || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

export const unreachable = () => new Problem('unreachable', 'The server could not be reached. It is tried again by itself.')

/** From an answer that is no success. */
export function toProblem(status: number, retryAfter: string | null, text: string): Problem {
  const retryAfterMs = retryAfterToMs(retryAfter)
  try {
    const { error, code } = JSON.parse(text) as Partial<ApiError>
    if (typeof error === 'string' && typeof code === 'string') return new Problem(code, error, { status, retryAfterMs })
  } catch {
    // Not one of our answers: a proxy's, perhaps.
  }
  return new Problem('unexpected', `The server answered with an error (${status}). Try again in a moment.`, { status, retryAfterMs })
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfterToMs(value: string | null): number | null {
  if (value === null) return null
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}
