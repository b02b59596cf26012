// Where in the app one is: the History API, and the links of the page.
import { pageOf } from './addresses.ts'

export interface GoOptions {
  /** Instead of the present entry of the history. */
  replace?: boolean
  /** Kept with the entry: `history.state`. */
  state?: unknown
  /** Leaves the page scrolled as it is. */
  keepScroll?: boolean
}

class Router {
  path = $state.raw(location.pathname)
  /** With its `?`, or empty. */
  search = $state.raw(location.search)

  /** Listens to the history and to clicks on links; returns its end. */
  start(): () => void {
    const moved = () => this.#read()
    const clicked = (event: MouseEvent) => this.#follow(event)
    addEventListener('popstate', moved)
    document.addEventListener('click', clicked)
    return () => {
      removeEventListener('popstate', moved)
      document.removeEventListener('click', clicked)
    }
  }

  /** Goes to an address of the app: a path with its search. */
  go(address: string, { replace = false, state = null, keepScroll = false }: GoOptions = {}): void {
    const before = this.path
    if (replace) history.replaceState(state, '', address)
    else history.pushState(state, '', address)
    this.#read()
    if (!keepScroll && this.path !== before) scrollTo(0, 0)
  }

  #read(): void {
    this.path = location.pathname
    this.search = location.search
  }

  /** Clicks that mean "here, now" stay in the app; those for a new tab, a download or another place are the browser's. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element).closest('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (pageOf(link.pathname) === null) return
    // A place on this page is the browser's to scroll to.
    if (link.hash !== '' && link.pathname === location.pathname && link.search === location.search) return
    event.preventDefault()
    if (link.href !== location.href) this.go(link.pathname + link.search + link.hash)
  }
}

export const router = new Router()
