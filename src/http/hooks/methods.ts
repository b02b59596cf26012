// Which methods an address takes: those of the most exact route that fits it.
import type { FastifyInstance } from 'fastify'

export interface Methods {
  /** Those that the address of a URL takes, sorted; empty if nothing is there. */
  of(url: string): string[]
  /**
   * Whether a request with this method, that the router gave to `route`, is for an address with a name of its own: the router
   * falls back to a route with parameters where the exact one has no such method.
   */
  isForNamed(route: string | undefined, url: string): boolean
}

interface Pattern {
  url: string
  segments: string[]
  methods: string[]
}

/** Remembers each route that is added from now on. A wildcard (static files, preflights) says nothing of a single address. */
export function collectMethods(fastify: FastifyInstance): Methods {
  const patterns: Pattern[] = []
  /** For a route with parameters, those with names that fit it as well. */
  const namedWithin = new Map<string, Pattern[]>()

  fastify.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return
    const segments = segmentsOf(url)
    const same = patterns.find((pattern) => fits(pattern.segments, segments) && fits(segments, pattern.segments))
    if (same) same.methods.push(...[method].flat())
    else patterns.push({ url, segments, methods: [method].flat() })
  })
  fastify.addHook('onReady', async () => {
    for (const { url, segments } of patterns) {
      const named = patterns.filter((other) => other.url !== url && fits(segments, other.segments))
      if (named.length > 0) namedWithin.set(url, named)
    }
  })

  return {
    of(url) {
      const path = segmentsOf(url)
      const fitting = patterns.filter(({ segments }) => fits(segments, path))
      const exact = fitting.find(({ segments }) => fitting.every((other) => fits(other.segments, segments)))
      return [...new Set(exact?.methods)].sort()
    },
    isForNamed(route, url) {
      const named = route === undefined ? undefined : namedWithin.get(route)
      if (!named) return false
      const path = segmentsOf(url)
      return named.some(({ segments }) => fits(segments, path))
    },
  }
}

const segmentsOf = (url: string) => (url.split(/[?#]/, 1)[0] ?? '').split('/')

/** A parameter stands for anything but nothing, and for another parameter. */
const fits = (pattern: string[], path: string[]) =>
  pattern.length === path.length && pattern.every((segment, i) => segment === path[i] || (segment.startsWith(':') && path[i] !== ''))
