// What goes wrong, told to the client: error codes to statuses, and one JSON shape for every failure.
import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import type { ApiError } from '../../api/errors.ts'
import type { ApiImage } from '../../api/images.ts'
import { createListener, type ListenerOptions } from '../../connections/create-listener.ts'
import { TRAITS } from '../../error-codes.ts'
import { CalotypeError, DAMAGE_REMEDIES, toCalotypeError, type ErrorDetails } from '../../errors.ts'
import { collectMethods } from './methods.ts'
import { SECURITY_HEADER_LINES, securityHeaders } from './security-headers.ts'

/** What some refusals say beside their reason: the row that stays. */
export interface ProblemDetails {
  image?: ApiImage
}

/** Answers `{"error","code"}` and the details of the error with the status of the code, and `Retry-After` where the error has one. No cache may keep it. */
export function sendProblem(reply: FastifyReply, error: CalotypeError, details: ProblemDetails = {}): FastifyReply {
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterSeconds))
  if (TRAITS[error.code].status === 401) reply.header('www-authenticate', 'Bearer realm="calotype"')
  const body: ApiError & ErrorDetails & ProblemDetails = { error: error.message, code: error.code, ...error.details, ...details }
  return (
    reply
      .code(TRAITS[error.code].status)
      // Again, as a URL that is none meets no hook.
      .headers(securityHeaders(reply.request))
      .header('cache-control', 'no-store')
      .type('application/json; charset=utf-8')
      .send(body)
  )
}

/**
 * Makes every failure of this server answer in our shape: errors thrown by handlers, Fastify's own, addresses that are not there
 * (404) and addresses that take other methods (405 with `Allow`). Call it on the root instance before any route is added.
 */
export function answerProblems(fastify: FastifyInstance): void {
  const methodsAt = collectMethods(fastify)
  const answerMissing = (request: FastifyRequest, reply: FastifyReply) => {
    const methods = methodsAt.of(request.url)
    if (methods.length === 0 || methods.includes(request.method)) return sendProblem(reply, new CalotypeError('not_found'))
    const allow = methods.join(', ')
    return sendProblem(reply.header('allow', allow), new CalotypeError('method_not_allowed', `This address takes ${allow}.`))
  }
  fastify.setNotFoundHandler(answerMissing)
  // Once it is known who asks, as for every route, and before a body is read.
  fastify.addHook('preParsing', (request, reply, _payload, next) => {
    if (methodsAt.isForNamed(request.routeOptions.url, request.url)) answerMissing(request, reply)
    else next()
  })
  // A body that can't be parsed matters less than that nothing is there to take it.
  fastify.setErrorHandler((error, request, reply) => (request.is404 ? answerMissing(request, reply) : answerError(error, request, reply)))
}

/** For `Fastify(…)`: a listener with bounds for each connection, which answers in our shape what never becomes a request. */
export function listenerOptions(options: Omit<ListenerOptions, 'answerOf'> = {}) {
  return {
    serverFactory: (handle) => createListener(handle, { ...options, answerOf: rawAnswer }),
    // The listener has its own.
    clientErrorHandler: () => undefined,
  } satisfies FastifyServerOptions
}

/** For `Fastify(…)`: what fails before there is a route, or even a request, answers in our shape too. */
export const problemOptions = {
  frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
  ...listenerOptions(),
} satisfies FastifyServerOptions

function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = fromFastify(thrown) ?? toCalotypeError(thrown)
  if (error.cause !== undefined && TRAITS[error.code].status >= 500) {
    const what = error.code === 'database_damaged' ? `the database is damaged. ${DAMAGE_REMEDIES}` : 'request failed'
    request.log.error({ err: error.cause, code: error.code }, what)
  }
  return sendProblem(reply, error)
}

/** Fastify's own errors in our codes; null for what is none of them. */
function fromFastify(thrown: unknown): CalotypeError | null {
  if (thrown instanceof CalotypeError || !(thrown instanceof Error)) return null
  const error = thrown as Partial<FastifyError>
  const first = error.validation?.[0]
  if (first) {
    const place = PLACES[error.validationContext ?? ''] ?? 'request'
    const name = first.instancePath.slice(1)
    return new CalotypeError(
      'bad_request',
      `${name === '' ? `The ${place}` : `"${name}" in the ${place}`} is not valid: ${first.message ?? first.keyword}.`,
    )
  }
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new CalotypeError('not_multipart')
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new CalotypeError('file_too_large', 'The body is larger than this address takes.')
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new CalotypeError('bad_request', 'The body is not valid JSON.')
    case 'FST_ERR_BAD_URL':
      return new CalotypeError('bad_request', 'The address is not a valid URL: check its percent-encoding.')
    // Longer than any name we give.
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new CalotypeError('not_found')
  }
  const status = error.statusCode
  return status !== undefined && status >= 400 && status < 500 ? new CalotypeError('bad_request') : null
}

const PLACES: Record<string, string> = { querystring: 'query', params: 'path', body: 'body', headers: 'headers' }

/** The answer to what is no request, or is refused before it is one: our shape, written without Fastify. */
function rawAnswer(error: CalotypeError): string {
  const status = TRAITS[error.code].status
  const body = JSON.stringify({ error: error.message, code: error.code } satisfies ApiError)
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...(error.retryAfterSeconds === undefined ? [] : [`retry-after: ${error.retryAfterSeconds}`]),
    SECURITY_HEADER_LINES,
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
