// Who uses the app: everyone, on an open server; else who signed in, or nobody yet.
import type { ApiMe, ApiUser } from '../../../src/api/accounts.ts'
import { ask } from '../api/client.ts'
import { Problem } from '../api/problem.ts'
import { session } from '../api/session.ts'
import { Backoff } from '../live/backoff.ts'
import { live } from '../live/live.svelte.ts'
import { announcer } from '../shell/announce.svelte.ts'
import { leaving } from '../shell/leaving.ts'

/** Whose upload the browser remembers. */
const OWNER_KEY = 'account'
/** Of the upload that goes on later (`upload/manifest.ts`). */
const REMEMBERED_UPLOADS = 'calotype'

const OPEN: ApiMe = { auth: 'open', via: 'open', user: null, scopes: ['upload', 'read', 'delete', 'admin'] }
const NOBODY: ApiMe = { auth: 'required', via: 'nobody', user: null, scopes: [] }

class Account {
  /** Null until the server has said. */
  #me = $state.raw<ApiMe | null>(null)
  /** The session ended while the app was used. */
  hasEnded = $state.raw(false)
  /** Whose page this is: who signed in last. All that it holds is theirs, also when their session has ended. */
  owner = $state.raw<ApiUser | null>(null)
  /** Who else has signed in in this browser since. */
  other = $state.raw<ApiUser | null>(null)
  /** The socket hears of it first. */
  #isLeaving = false
  /** Tells other tabs that someone came or went: the cookie is theirs, too. */
  readonly #tabs = new BroadcastChannel('account')

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
    this.#tabs.onmessage = () => void this.#look()
    // What they may see has changed, perhaps: an administrator made them one, or not one any more.
    live.subscribe({ changes: () => undefined, resync: () => void this.#look() })
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
        await this.#become(await ask<ApiMe>('/api/auth/me', { asAnyone: true }))
      } catch (error) {
        const askedMs = error instanceof Problem ? (error.retryAfterMs ?? 0) : 0
        await new Promise((resolve) => setTimeout(resolve, Math.max(backoff.next(), askedMs)))
      }
    }
  }

  /** Rejects with Problem. Someone else than before gets a page of their own: nothing of the other stays in memory. */
  async enter(path: '/api/auth/login' | '/api/auth/setup', body: Record<string, string>, next: string): Promise<'here' | 'elsewhere'> {
    const me = await ask<ApiMe>(path, { method: 'POST', body, asAnyone: true })
    this.#tabs.postMessage(null)
    const before = this.owner?.id ?? localStorage.getItem(OWNER_KEY)
    if (before !== null && before !== me.user?.id) {
      // This page stays that of the one before, to its end: it does nothing in another name.
      await this.#remember(me.user)
      leaving.go(next)
      return 'elsewhere'
    }
    await this.#goOn(me)
    return 'here'
  }

  /** Ends the session, and with it all that this tab holds. Rejects with Problem. */
  async leave(): Promise<void> {
    this.#isLeaving = true
    try {
      await ask('/api/auth/logout', { method: 'POST' })
    } catch (error) {
      // It had ended already.
      if (!(error instanceof Problem) || !error.isSignedOut) throw error
    } finally {
      this.#isLeaving = false
    }
    this.#tabs.postMessage(null)
    this.#me = NOBODY
    leaving.go('/login')
  }

  async #remember(user: ApiUser | null): Promise<void> {
    if (user === null || localStorage.getItem(OWNER_KEY) === user.id) return
    // Names of files that someone else was sending.
    await forgetDatabase(REMEMBERED_UPLOADS)
    localStorage.setItem(OWNER_KEY, user.id)
  }

  async #become(me: ApiMe): Promise<void> {
    await this.#remember(me.user)
    this.owner = me.user ?? this.owner
    session.userId = this.owner?.id ?? null
    this.#me = me
  }

  /** In a session that has begun for who this page is for. */
  async #goOn(me: ApiMe): Promise<void> {
    // Before anything is asked for: what is asked now belongs to this session.
    session.signedIn()
    this.hasEnded = false
    this.other = null
    await this.#become(me)
  }

  /** Finds out who is signed in in this browser by now. */
  async #look(): Promise<void> {
    if (this.#me === null || this.state === 'open') return
    const { turn } = session
    // Whatever is asked next hears of it, too.
    const me = await ask<ApiMe>('/api/auth/me', { asAnyone: true }).catch(() => null)
    if (me === null || turn !== session.turn) return
    const isOther = me.user !== null && this.owner !== null && me.user.id !== this.owner.id
    this.other = isOther ? me.user : null
    if (me.user === null || isOther) session.ended(turn)
    else if (this.state === 'signed-out') await this.#goOn(me)
    else this.#me = me
  }

  #end(): void {
    if (this.state !== 'signed-in' || this.#isLeaving) return
    this.hasEnded = true
    this.#me = NOBODY
    announcer.say('Your session has ended. Sign in again to go on.')
    void this.#look()
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
