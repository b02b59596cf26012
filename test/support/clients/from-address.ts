// Clients with addresses of their own: every address of 127.0.0.0/8 is this machine.
import { request } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import type { ApiError } from '../../../src/api/errors.ts'
import type { Answer } from './client.ts'

export interface FromAddress {
  method?: string
  body?: unknown
  headers?: Record<string, string>
}

/** Asks with JSON over a connection of its own that comes from `address`. Rejects if the connection breaks before there is an answer. */
export function askFrom<T = ApiError>(
  address: string,
  server: { readonly url: string },
  path: string,
  { method = 'POST', body, headers = {} }: FromAddress = {},
): Promise<Answer<T & ApiError>> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer<T & ApiError>>()
  const json = body === undefined ? undefined : JSON.stringify(body)
  const asking = request(server.url + path, {
    method,
    agent: false,
    localAddress: address,
    headers: { ...(json !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) }), ...headers },
  })
  asking.on('error', reject)
  asking.on('response', (response) => {
    readText(response).then((text) => {
      const isJson = response.headers['content-type']?.startsWith('application/json') ?? false
      resolve({ status: response.statusCode!, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined })
    }, reject)
  })
  asking.end(json)
  return promise
}
