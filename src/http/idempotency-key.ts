// The Idempotency-Key of a request that may be repeated.
import type { IncomingHttpHeaders } from 'node:http'
import { CalotypeError } from '../errors.ts'

const MAX_KEY_LENGTH = 255

/** Undefined without one; throws `bad_request` for one that is none. */
export function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key']
  if (key !== undefined && (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH)) {
    throw new CalotypeError('bad_request', `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters.`)
  }
  return key
}
