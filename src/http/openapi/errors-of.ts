// Which errors a call can answer with: those of its own, and those that follow from what its route is.
import { ERRORS, type ErrorCode } from '../../errors.ts'
import { TRAITS } from '../../error-codes.ts'
import { isSafe, type Access } from '../access/route-access.ts'
import type { Operation } from './operation.ts'

export interface RouteKind {
  method: string
  url: string
  access: Access
  /** A public route that wants to know nevertheless who asks. */
  identifies: boolean
  /** Something of the request is checked by a schema. */
  isChecked: boolean
  /** It may come without a body, where it takes one. */
  isBodyOptional: boolean
}

export function errorsOf({ method, url, access, identifies, isChecked }: RouteKind, { errors = [] }: Operation): ErrorCode[] {
  const codes = new Set<ErrorCode>(errors)
  const asksWho = access !== 'public' || identifies
  if (asksWho) for (const code of ['unauthorized', 'database_unavailable', 'database_damaged'] as const) codes.add(code)
  if (asksWho && access !== 'media') codes.add('too_many_requests')
  if (access !== 'public' && access !== 'media') codes.add('forbidden')
  if (!isSafe({ method })) for (const code of ['origin_not_allowed', 'shutting_down'] as const) codes.add(code)
  if (isChecked) codes.add('bad_request')
  if (url.includes(':')) codes.add('not_found')
  codes.add('host_not_allowed')
  codes.add('internal')
  return [...codes]
}

/** For a `responses` object: one answer for each status, with an example for each code. */
export function problemAnswers(codes: ErrorCode[]): Record<string, object> {
  const byStatus = Map.groupBy(codes, (code) => TRAITS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\``).join(', '),
        ...(RETRY_AFTER.has(status) && { headers: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer' } } } }),
        content: {
          'application/json': {
            schema: { allOf: [{ $ref: '#/components/schemas/Error' }, { properties: { code: { enum: codes } } }] },
            examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
          },
        },
      },
    ]),
  )
}

/** For `components.examples`: each error once, with its sentence. */
export const problemExamples = () =>
  Object.fromEntries(Object.entries(ERRORS).map(([code, error]) => [code, { summary: error, value: { error, code } }]))

const RETRY_AFTER = new Set<number>([429, 503])
