// What the gallery shows, as its address says it: the search, the filters and the order live in the URL.
import type { ApiImage } from '../../../../src/api/images.ts'

export const STATES = {
  completed: 'Developed',
  processing: 'Developing',
  pending: 'Waiting',
  error: 'Failed',
  aborted: 'Cancelled',
} as const satisfies Record<ApiImage['status'], string>

export const FORMATS = { jpeg: 'JPEG', png: 'PNG', webp: 'WebP', avif: 'AVIF', gif: 'GIF' } as const

export const SORTS = {
  newest: 'Newest first',
  oldest: 'Oldest first',
  name: 'Name, A to Z',
  '-name': 'Name, Z to A',
  size: 'Smallest first',
  '-size': 'Largest first',
} as const
export type Sort = keyof typeof SORTS

/** The same list from its other end. */
export const REVERSED = {
  newest: 'oldest',
  oldest: 'newest',
  name: '-name',
  '-name': 'name',
  size: '-size',
  '-size': 'size',
} as const satisfies Record<Sort, Sort>

/** An empty text is no filter. */
export interface Filter {
  q: string
  status: keyof typeof STATES | ''
  format: keyof typeof FORMATS | ''
  batch: string
  sort: Sort
}

export const EVERYTHING: Filter = { q: '', status: '', format: '', batch: '', sort: 'newest' }

// As the server has it.
const MAX_SEARCH_CHARACTERS = 200
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const oneOf = <K extends string, Otherwise extends string>(table: Record<K, unknown>, value: string | null, otherwise: Otherwise) =>
  value !== null && Object.hasOwn(table, value) ? (value as K) : otherwise

/** What it can't understand in an address is left out: an old or mistyped link still shows something. */
export function readFilter(search: string): Filter {
  const query = new URLSearchParams(search)
  const batch = query.get('batch') ?? ''
  return {
    q: (query.get('q') ?? '').slice(0, MAX_SEARCH_CHARACTERS),
    status: oneOf(STATES, query.get('status'), ''),
    format: oneOf(FORMATS, query.get('format'), ''),
    batch: UUID.test(batch) ? batch : '',
    sort: oneOf(SORTS, query.get('sort'), 'newest'),
  }
}

/** As parameters of the API and of our own addresses: only what is not the default. */
export function filterQuery(filter: Filter): URLSearchParams {
  const given = Object.entries(filter).filter(([key, value]) => value !== EVERYTHING[key as keyof Filter])
  return new URLSearchParams(given)
}

/** `''`, or `?` and the parameters. */
export function filterSearch(filter: Filter): string {
  const query = filterQuery(filter).toString()
  return query && `?${query}`
}

/** Whether it leaves images out; the order alone does not. */
export const isNarrowed = (filter: Filter) => filterSearch({ ...filter, sort: 'newest' }) !== ''
