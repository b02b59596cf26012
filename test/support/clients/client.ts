// How the journeys speak to a server: uploads as forms or as raw bytes, questions, and the live feed.
import { request, type IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiBatch } from '../../../src/api/batches.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiNotification } from '../../../src/api/events.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import type { ApiInitiated, ApiUploaded } from '../../../src/api/uploads.ts'

export const ENDPOINTS = {
  sync: { path: '/api/upload', field: 'image' },
  async: { path: '/api/async/upload', field: 'images' },
  batch: { path: '/api/async/batch/upload', field: 'images' },
} as const
export type Endpoint = keyof typeof ENDPOINTS

type Address = { readonly url: string }

export interface Answer<T = ApiError> {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The text as JSON; what is not JSON has none. */
  body: T
}

export interface SentFile {
  name: string
  bytes: Uint8Array
  /** Instead of the field the endpoint takes. */
  field?: string
}

/** What an upload answers, by its endpoint: the parts of it that are there depend on the status. */
export type Uploaded = ApiUploaded & ApiInitiated & ApiError

export async function ask<T>(server: Address, path: string, init?: RequestInit): Promise<Answer<T>> {
  const response = await fetch(server.url + path, init)
  return toAnswer(response.status, Object.fromEntries(response.headers), await response.text())
}

function toAnswer<T>(status: number, headers: IncomingHttpHeaders, text: string): Answer<T> {
  const isJson = headers['content-type']?.startsWith('application/json') ?? false
  return { status, headers, text, body: (isJson ? JSON.parse(text) : undefined) as T }
}

/** Uploads as a page does, by FormData. */
export function upload(
  server: Address,
  endpoint: Endpoint,
  files: SentFile[],
  options: { key?: string; signal?: AbortSignal } = {},
): Promise<Answer<Uploaded>> {
  const { path, field } = ENDPOINTS[endpoint]
  const form = new FormData()
  for (const file of files) form.append(file.field ?? field, new Blob([file.bytes.slice()]), file.name)
  const headers = options.key === undefined ? {} : { 'idempotency-key': options.key }
  return ask(server, path, { method: 'POST', body: form, headers, signal: options.signal ?? null })
}

export const BOUNDARY = 'a-boundary-that-no-image-contains'
export const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`

/** One part of a multipart body, byte by byte; `fileName` goes in as it is, between quotes. */
export function part(field: string, fileName: string | Buffer | null, bytes: Uint8Array | string): Buffer {
  const name = fileName === null ? [] : ['; filename="', fileName, '"']
  const head = [`--${BOUNDARY}\r\ncontent-disposition: form-data; name="${field}"`, ...name, '\r\n\r\n', bytes, '\r\n']
  return Buffer.concat(head.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
}

export const END_OF_PARTS = Buffer.from(`--${BOUNDARY}--\r\n`)

export interface RawOptions {
  path: string
  headers?: Record<string, string>
  /** All at once with its length, or piece by piece in chunks. */
  body: Buffer | AsyncIterable<Buffer>
}

/** Sends a body as it is. Rejects if the connection breaks before there is an answer. */
export function post<T = Uploaded>(server: Address, { path, headers = {}, body }: RawOptions): Promise<Answer<T>> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer<T>>()
  const length = Buffer.isBuffer(body) ? { 'content-length': body.length } : {}
  const sending = request(server.url + path, {
    method: 'POST',
    headers: { 'content-type': MULTIPART, ...length, ...headers },
    agent: false,
  })
  sending.on('error', reject)
  sending.on('response', (response) => {
    readText(response).then((text) => resolve(toAnswer(response.statusCode!, response.headers, text)), reject)
  })
  const source = Readable.from(Buffer.isBuffer(body) ? [body] : body, { objectMode: true })
  // A server that refuses may answer before it has read all.
  source.on('error', (error) => sending.destroy(error)).pipe(sending)
  return promise
}

/** Every image, by `GET /api/list`. */
export const listImages = async (server: Address) => (await ask<ApiImage[]>(server, '/api/list')).body

export const getBatch = async (server: Address, id: string) => (await ask<ApiBatch>(server, `/api/batches/${id}`)).body

const ASK_AGAIN_MS = 25
const ASK_AGAIN_MOST_MS = 200

/**
 * Asks until `check` gives something; rejects with what it last threw, or saying what was waited for. The longer it takes, the rarer it
 * asks: questions cost what is waited for its time, too.
 */
export async function eventually<T>(what: string, check: () => Promise<T | false>, timeoutMs = 10_000): Promise<T> {
  for (const start = performance.now(); ;) {
    const found = await check()
    if (found !== false) return found
    const waitedMs = performance.now() - start
    if (waitedMs > timeoutMs) throw new Error(`Not so after ${timeoutMs} ms: ${what}`)
    await wait(Math.min(Math.max(ASK_AGAIN_MS, waitedMs / 20), ASK_AGAIN_MOST_MS))
  }
}

const IN_HAND: ApiImage['status'][] = ['pending', 'processing']

/** Waits until no image is pending or processing any more; gives all of them. */
export const allFinal = (server: Address, timeoutMs = 60_000) =>
  eventually(
    'every image is final',
    async () => {
      for (const status of IN_HAND)
        if ((await ask<ApiImage[]>(server, `/api/images?status=${status}&limit=1`)).body.length > 0) return false
      // One that is taken back from a dead worker between the two questions shows in neither: what counts is the list itself.
      const images = await listImages(server)
      return images.every(({ status }) => !IN_HAND.includes(status)) && images
    },
    timeoutMs,
  )

export interface Watching extends Disposable {
  greeting: { message: string; status: string }
  /** What came after the greeting, so far. */
  messages: ApiNotification[]
}

/** Connects to the live feed; resolves once greeted. */
export async function watch(server: Address): Promise<Watching> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws/upload/`)
  const { promise, resolve, reject } = Promise.withResolvers<Watching>()
  const messages: ApiNotification[] = []
  let greeted = false
  socket.addEventListener('error', () => reject(new Error('The live feed could not be reached')))
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data as string)
    if (greeted) messages.push(message)
    else resolve({ greeting: message, messages, [Symbol.dispose]: () => socket.close() })
    greeted = true
  })
  return promise
}
