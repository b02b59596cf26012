// The Idempotency-Key of a request that may be repeated.
import type { FastifyRequest } from 'fastify'
import { CalotypeError } from '../../errors.ts'

const MAX_KEY_LENGTH = 255

/** For declarations of endpoints. */
export const IDEMPOTENCY_KEY = {
  'Idempotency-Key': {
    description: 'The same key with the same content gets the first answer again, and nothing is taken twice. 1 to 255 characters.',
    example: '6f1c2b1e-harbour',
  },
}

/**
 * Undefined without one; throws `bad_request` for one that is none. With who sends it, so that two users may choose the same: no header
 * has a line end in it.
 */
export function keyOf({ headers, principal: { userId } }: Pick<FastifyRequest, 'headers' | 'principal'>): string | undefined {
  const key = headers['idempotency-key']
  if (key !== undefined && (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH)) {
    throw new CalotypeError('bad_request', `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters.`)
  }
  return key === undefined || userId === null ? key : `${userId}\n${key}`
}
