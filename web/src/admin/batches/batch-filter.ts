// Which batches the administrators' list shows, as its address says it and as the API takes it.
import { dayBegins, readDay } from '../images/image-filter.ts'

export const BATCH_STANDINGS = { open: 'Under way', done: 'Done', failed: 'With failures' } as const

/** An empty text is no filter. */
export interface BatchFilter {
  state: keyof typeof BATCH_STANDINGS | ''
  owner: string
  from: string
  to: string
}

export const EVERY_BATCH: BatchFilter = { state: '', owner: '', from: '', to: '' }

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export function readBatchFilter(search: string): BatchFilter {
  const query = new URLSearchParams(search)
  const state = query.get('state') ?? ''
  const owner = query.get('owner') ?? ''
  return {
    state: Object.hasOwn(BATCH_STANDINGS, state) ? (state as BatchFilter['state']) : '',
    owner: ID.test(owner) ? owner : '',
    from: readDay(query.get('from') ?? ''),
    to: readDay(query.get('to') ?? ''),
  }
}

export function batchQuery({ from, to, ...filter }: BatchFilter): URLSearchParams {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))
  if (from !== '') query.set('from', dayBegins(from))
  if (to !== '') query.set('to', dayBegins(to, 1))
  return query
}
