// What was given of a request.

/** Without the members that are undefined: Zod says `undefined` where something was not given; queries of the stores leave it out. */
export function defined<T extends object>(given: T) {
  type Defined = { [K in keyof T]: Exclude<T[K], undefined> }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined
}
