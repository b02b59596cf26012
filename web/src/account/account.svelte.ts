// Who uses the app: everyone, on an open server; else who signed in, or nobody yet.
import type { ApiMe } from '../../../src/api.ts'
import { ask } from '../api/client.ts'
import { Problem } from '../api/problem.ts'
import { session } from '../api/session.ts'
import { Backoff } from '../live/backoff.ts'
import { announcer } from '../shell/announce.svelte.ts'

/** Whose upload the browser remembers. */
const OWNER_KEY = 'account'
/** Of the upload that goes on later (`upload/manifest.ts`). */
const REMEMBERED_UPLOADS = 'calotype'

const OPEN: ApiMe = { auth: 'open', via: 'open', user: null, scopes: ['upload', 'read', 'delete', 'admin'] }

class Account {
  /** Null until the server has said. */
  #me = $state.raw<ApiMe | null>(null)
  /** The session ended while the app was used. */
  hasEnded = $state.raw(false)
  /** The socket hears of it first. */
  #isLeaving = false

  readonly user = $derived(this.#me?.user ?? null)
  readonly state = $derived.by(() => {
    if (this.#me === null) return 'unknown'
    if (this.#me.auth === 'open') return 'open'
    return this.#me.user === null ? 'signed-out' : 'signed-in'
  })
  readonly mayUse = $derived(this.state === 'open' || this.state === 'signed-in')
  readonly isAdmin = $derived(this.mayUse && this.#me !== null && this.#me.scopes.includes('admin'))

  constructor() {
    session.onEnded(() => this.#end())
  }

  /** Finds out, however long the server is away. An open one says so in the page. */
  async begin(): Promise<void> {
    if (document.querySelector<HTMLMetaElement>('meta[name=auth]')?.content === 'open') {
      this.#me = OPEN
      return
    }
    const backoff = new Backoff({ firstMs: 500, mostMs: 10_000 })
    while (this.#me === null) {
      try {
        await this.#become(await ask<ApiMe>('/api/auth/me'))
      } catch (error) {
        const askedMs = error instanceof Problem ? (error.retryAfterMs ?? 0) : 0
        await new Promise((resolve) => setTimeout(resolve, Math.max(backoff.next(), askedMs)))
      }
    }
  }

  /** Rejects with Problem. Someone else than before gets a page of their own: nothing of the other stays in memory. */
  async enter(path: '/api/auth/login' | '/api/auth/setup', body: Record<string, string>, next: string): Promise<'here' | 'elsewhere'> {
    const me = await ask<ApiMe>(path, { method: 'POST', body })
    const before = localStorage.getItem(OWNER_KEY)
    if (before !== null && before !== me.user?.id) {
      await this.#become(me)
      location.assign(next)
      return 'elsewhere'
    }
    // Before anything is asked for: what is asked now belongs to this session.
    session.signedIn()
    this.hasEnded = false
    await this.#become(me)
    return 'here'
  }

  /** Ends the session, and with it all that this tab holds. Rejects with Problem. */
  async leave(): Promise<void> {
    this.#isLeaving = true
    try {
      await ask('/api/auth/logout', { method: 'POST' })
    } finally {
      this.#isLeaving = false
    }
    this.#me = { auth: 'required', via: 'nobody', user: null, scopes: [] }
    location.assign('/login')
  }

  async #become(me: ApiMe): Promise<void> {
    if (me.user !== null && localStorage.getItem(OWNER_KEY) !== me.user.id) {
      // Names of files that someone else was sending.
      await forgetDatabase(REMEMBERED_UPLOADS)
      localStorage.setItem(OWNER_KEY, me.user.id)
    }
    this.#me = me
  }

  #end(): void {
    if (this.state !== 'signed-in' || this.#isLeaving) return
    this.hasEnded = true
    this.#me = { auth: 'required', via: 'nobody', user: null, scopes: [] }
    announcer.say('Your session has ended. Sign in again to go on.')
  }
}

/** Resolves also where another tab still has it open: it is gone when that tab is. */
function forgetDatabase(name: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = request.onerror = request.onblocked = () => resolve()
  })
}

export const account = new Account()
