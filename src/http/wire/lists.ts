// What routes of lists and of single things share: the query as stores take it, the link to the next page, and the answer to what is not there.
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

/** Without the members that are undefined: Zod says `undefined` where something was not given; queries of the stores leave it out. */
export function defined<T extends object>(given: T) {
  type Defined = { [K in keyof T]: Exclude<T[K], undefined> }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined
}
