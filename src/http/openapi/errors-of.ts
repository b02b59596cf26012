// Which errors a call can answer with: those of its own, and those that follow from what its route is.
import { ERRORS, type ErrorCode } from '../../error-codes.ts'
import { TRAITS } from '../../error-codes.ts'
import { isSafe } from '../access/route-access.ts'
import type { Description } from '../endpoint.ts'

export function errorsOf({ route, access, identifies, params, query, body, errors = [] }: Description): ErrorCode[] {
  const [method = '', url = ''] = route.split(' ')
  const codes = new Set<ErrorCode>()
  if (body?.schema && body.type === undefined) for (const code of ['not_json', 'file_too_large'] as const) codes.add(code)
  for (const code of errors) codes.add(code)
  const asksWho = access !== 'public' || identifies
  if (asksWho) for (const code of ['unauthorized', 'database_unavailable', 'database_damaged'] as const) codes.add(code)
  if (asksWho && access !== 'media') codes.add('too_many_requests')
  if (access !== 'public' && access !== 'media') codes.add('forbidden')
  if (!isSafe({ method })) for (const code of ['origin_not_allowed', 'shutting_down'] as const) codes.add(code)
  if (params ?? query ?? body?.schema) codes.add('bad_request')
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
