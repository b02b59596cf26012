// The filter of lists, counts and archives, as it stands in a query.
import { z } from 'zod'
import { FORMATS, STATUSES, type Format } from '../../image.ts'

/** For `z.object`. */
export const imageFilter = {
  q: z.string().max(200).optional(),
  status: z.enum(STATUSES).optional(),
  format: z.enum(Object.keys(FORMATS) as [Format, ...Format[]]).optional(),
  batch: z.uuid().optional(),
}

/** For `z.object`. */
export const imageSort = { sort: z.enum(['newest', 'oldest', 'name', '-name', 'size', '-size']).default('newest') }

/** Zod says `undefined` where a parameter was not given; a query leaves it out. */
export function defined<T extends object>(query: T) {
  type Defined = { [K in keyof T]: Exclude<T[K], undefined> }
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as Defined
}
