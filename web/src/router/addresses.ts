// The addresses of the app: which page each belongs to, and what it names.

/** What its address names; a page whose address names nothing ignores it. */
export interface PageProps {
  /** The `:id` of the address, or null. */
  id: string | null
}

const ID = '([0-9a-f-]{36})'

/** `/gallery` and `/gallery/:id` are one page: an image opens over the list it is in. */
const PATTERNS = {
  upload: /^\/$/,
  gallery: new RegExp(`^/gallery(?:/${ID})?$`),
  batch: new RegExp(`^/batches/${ID}$`),
  docs: /^\/api\/docs$/,
}
export type PageName = keyof typeof PATTERNS

/** The page of a path, and the id in it; null for a path that is none of ours. */
export function pageOf(path: string): { name: PageName; id: string | null } | null {
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    const match = pattern.exec(path)
    if (match) return { name: name as PageName, id: match[1] ?? null }
  }
  return null
}
