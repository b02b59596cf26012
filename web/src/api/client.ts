// Questions to the API: JSON there, JSON back, and every failure a Problem.
import { Problem, toProblem, unreachable } from './problem.ts'
import { session } from './session.ts'

export interface AskOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Sent as JSON. */
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Goes on when the page is left; bodies of at most 64 KB together. */
  keepalive?: boolean
  /** Of whoever is signed in, or nobody, instead of who this page is for. */
  asAnyone?: boolean
}

/** A page of a list, and the address of the next one. */
export interface ListPage<T> {
  items: T[]
  /** Path and query; null on the last page. */
  next: string | null
}

/** Rejects with Problem; with AbortError when `signal` says so. */
export async function ask<T>(path: string, options: AskOptions = {}): Promise<T> {
  return (await request<T>(path, options)).body
}

/** A list in pages, newest first or as its query says. */
export async function askPage<T>(path: string, options: AskOptions = {}): Promise<ListPage<T>> {
  const { body, headers } = await request<T[]>(path, options)
  return { items: body, next: nextOf(headers.get('link')) }
}

async function request<T>(path: string, options: AskOptions): Promise<{ body: T; headers: Headers }> {
  const { method = 'GET', body, signal, keepalive = false, asAnyone = false } = options
  const headers = { ...(asAnyone ? {} : session.headers), ...options.headers }
  const init: RequestInit = { method, keepalive, headers }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { ...headers, 'content-type': 'application/json' }
  }
  if (signal) init.signal = signal
  const { turn } = session
  let response: Response
  let text: string
  try {
    response = await fetch(path, init)
    text = await response.text()
  } catch (error) {
    if (signal?.aborted) throw error
    throw unreachable()
  }
  if (!response.ok) {
    const problem = toProblem(response.status, response.headers.get('retry-after'), text)
    if (problem.isSignedOut) session.ended(turn)
    throw problem
  }
  return { body: parse<T>(text, response.status), headers: response.headers }
}

function parse<T>(text: string, status: number): T {
  if (text === '') return undefined as T
  try {
    return JSON.parse(text) as T
  } catch {
    throw new Problem('unexpected', 'The server answered with something that could not be read. Load the page again.', { status })
  }
}

/** `Link: </api/images?cursor=…>; rel="next"`. */
function nextOf(link: string | null): string | null {
  const address = link === null ? undefined : /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link)?.[1]
  if (address === undefined) return null
  const url = new URL(address, location.href)
  return url.pathname + url.search
}
