// One search in the address of a list.
const MAX_CHARACTERS = 200

export const readText = (search: string, name: string) => (new URLSearchParams(search).get(name) ?? '').slice(0, MAX_CHARACTERS)

/** The address of a list with this search, or with none. */
export const withText = (path: string, name: string, text: string) =>
  text === '' ? path : `${path}?${new URLSearchParams({ [name]: text })}`
