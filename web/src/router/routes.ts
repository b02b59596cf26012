// The addresses of the app, each a page that is loaded when it is first gone to.
import type { Component } from 'svelte'

/** What its address names; a page whose address names nothing does not ask. */
export interface PageProps {
  /** The `:id` of the address, or null. */
  id: string | null
}

interface Loaded {
  default: Component<PageProps>
}

interface Route {
  pattern: RegExp
  title: string
  load: () => Promise<Loaded>
}

const ID = '([0-9a-f-]{36})'

/** `/gallery` and `/gallery/:id` are one page: an image opens over the list it is in. */
export const ROUTES: readonly Route[] = [
  { pattern: /^\/$/, title: 'Upload', load: () => import('../upload/UploadPage.svelte') as Promise<Loaded> },
  { pattern: new RegExp(`^/gallery(?:/${ID})?$`), title: 'Gallery', load: () => import('../gallery/GalleryPage.svelte') },
  { pattern: new RegExp(`^/batches/${ID}$`), title: 'Batch', load: () => import('../batch/BatchPage.svelte') },
]

/** The route of a path, and the id in it. */
export function routeOf(path: string): { route: Route; id: string | null } | null {
  for (const route of ROUTES) {
    const match = route.pattern.exec(path)
    if (match) return { route, id: match[1] ?? null }
  }
  return null
}
