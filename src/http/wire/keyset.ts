// What routes of lists and of single things share: the link to the next page, and the answer to what is not there.
import type { FastifyReply } from 'fastify'
import { CalotypeError } from '../../errors.ts'

/** `Link: rel="next"`: the same address with the cursor of the next page; nothing on the last one. */
export function linkNext(reply: FastifyReply, url: string, next: string | null): void {
  if (next === null) return
  const { pathname, searchParams } = new URL(url, 'http://localhost')
  searchParams.set('cursor', next)
  reply.header('link', `<${pathname}?${searchParams}>; rel="next"`)
}

export function found<T>(value: T | null): T {
  if (value === null) throw new CalotypeError('not_found')
  return value
}
