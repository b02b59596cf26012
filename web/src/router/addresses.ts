// The addresses of the app: which page each belongs to, and what it names.

/** What the address of a page names. */
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
  login: /^\/login$/,
  setup: /^\/setup$/,
  account: /^\/account$/,
  adminOverview: /^\/admin$/,
  adminImages: /^\/admin\/images$/,
  adminImage: new RegExp(`^/admin/images/${ID}$`),
  adminBatches: /^\/admin\/batches$/,
  adminFailures: /^\/admin\/failures$/,
  adminWorkers: /^\/admin\/workers$/,
  adminUsers: /^\/admin\/users$/,
  adminKeys: /^\/admin\/keys$/,
  adminAudit: /^\/admin\/audit$/,
  adminSettings: /^\/admin\/settings$/,
}
export type PageName = keyof typeof PATTERNS

/** Of who has not signed in, too. */
export const isForEveryone = (name: PageName) => name === 'docs' || isEntrance(name)
const isEntrance = (name: PageName) => name === 'login' || name === 'setup'

/** The page of a path, and the id in it; null for a path that is none of ours. */
export function pageOf(path: string): { name: PageName; id: string | null } | null {
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    const match = pattern.exec(path)
    if (match) return { name: name as PageName, id: match[1] ?? null }
  }
  return null
}

/** Of the login, which then goes on to `next`. */
export const loginAddress = (next: string) => (next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`)

/** Where the login goes on to: an address of the app and of nobody else. */
export function nextAfterLogin(search: string): string {
  const next = new URLSearchParams(search).get('next') ?? '/'
  if (!URL.canParse(next, location.origin)) return '/'
  const url = new URL(next, location.origin)
  const page = url.origin === location.origin ? pageOf(url.pathname) : null
  return page === null || isEntrance(page.name) ? '/' : url.pathname + url.search
}
