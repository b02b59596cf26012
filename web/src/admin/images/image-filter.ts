// Which images the administrators' list shows, as its address says it, as the API takes it, and as a bulk action is about them.
import type { ApiImageSelection } from '../../../../src/api/jobs.ts'
import { FORMATS, SORTS, STATES } from '../../gallery/photos/filter.ts'

/** An empty text is no filter. */
export interface ImageFilter {
  q: string
  status: keyof typeof STATES | ''
  format: keyof typeof FORMATS | ''
  batch: string
  owner: string
  code: string
  /** Days, as `2026-11-25`, both of them in it, of the clock of who looks. */
  from: string
  to: string
  sort: keyof typeof SORTS
}

export const EVERYTHING: ImageFilter = {
  q: '',
  status: '',
  format: '',
  batch: '',
  owner: '',
  code: '',
  from: '',
  to: '',
  sort: 'newest',
}

const MAX_SEARCH_CHARACTERS = 200
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const CODE = /^[a-z_]{1,60}$/
const DAY = /^\d{4}-\d\d-\d\d$/

const among = <K extends string, Otherwise extends string>(table: Record<K, unknown>, value: string, otherwise: Otherwise) =>
  Object.hasOwn(table, value) ? (value as K) : otherwise
const like = (pattern: RegExp, value: string) => (pattern.test(value) ? value : '')
export const readDay = (value: string) => (DAY.test(value) && !Number.isNaN(Date.parse(value)) ? value : '')

/** What it can't understand in an address is left out. */
export function readFilter(search: string): ImageFilter {
  const query = new URLSearchParams(search)
  const given = (name: string) => query.get(name) ?? ''
  return {
    q: given('q').slice(0, MAX_SEARCH_CHARACTERS),
    status: among(STATES, given('status'), ''),
    format: among(FORMATS, given('format'), ''),
    batch: like(ID, given('batch')),
    owner: like(ID, given('owner')),
    code: like(CODE, given('code')),
    from: readDay(given('from')),
    to: readDay(given('to')),
    sort: among(SORTS, given('sort'), 'newest'),
  }
}

/** `''`, or `?` and what is not the default. */
export function filterSearch<F extends object>(filter: F, everything: F): string {
  const query = new URLSearchParams(Object.entries(filter).filter(([name, value]) => value !== everything[name as keyof F])).toString()
  return query && `?${query}`
}

/** The moment at which a day begins, or the one after it; ISO 8601. */
export function dayBegins(day: string, daysLater = 0): string {
  const [year, month, date] = day.split('-').map(Number)
  return new Date(year!, month! - 1, date! + daysLater).toISOString()
}

/** Parameters of the API. */
export function apiQuery({ from, to, ...filter }: ImageFilter): URLSearchParams {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))
  if (from !== '') query.set('from', dayBegins(from))
  if (to !== '') query.set('to', dayBegins(to, 1))
  return query
}

/** All that it finds, for a bulk action; the order does not matter. */
export function selectionOf(filter: ImageFilter): ApiImageSelection {
  const query = apiQuery(filter)
  query.delete('sort')
  return { filter: Object.fromEntries(query) }
}

/** Whether it leaves images out. */
export const isNarrowed = (filter: ImageFilter) => filterSearch({ ...filter, sort: 'newest' }, EVERYTHING) !== ''
