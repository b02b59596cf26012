// The live feed of the tab: one WebSocket, or questions where sockets are blocked; heard by whoever shows images.
import type { ApiEvents, ApiNotification } from '../../../src/api/events.ts'
import { ask } from '../api/client.ts'
import { session } from '../api/session.ts'
import { Backoff } from './backoff.ts'
import { FrameBatch } from './frames.ts'

/** `waiting`: the server does not answer, and is tried again. */
export type Connection = 'connecting' | 'live' | 'polling' | 'waiting' | 'offline'

export interface Listener {
  /** What changed since the last time; at most once a frame, in the order of the feed. */
  changes(changes: ApiNotification[]): void
  /** What was missed is no longer known: read again what is shown. */
  resync?(): void
}

type Message = ApiNotification | { type: 'resync'; seq: string } | { type?: undefined; message: string; seq?: string }

/** A socket that did not open by then never will: some proxies swallow the upgrade. */
const OPEN_TIMEOUT_MS = 8_000
/** So many sockets in a row that never opened, while HTTP works, are blocked ones. */
const BLOCKED_AFTER = 2
const POLL_MS = 2_000
/** While polling, sockets are tried again now and then. */
const RETRY_SOCKET_MS = 60_000
/** A connection can die without a word: after such a silence HTTP is asked whether something was missed. */
const SILENCE_MS = 40_000
/** How the server closes the socket of who is not signed in any more. */
const SIGNED_OUT = 4401

class Live {
  connection = $state.raw<Connection>('connecting')

  readonly #listeners = new Set<Listener>()
  readonly #batch = new FrameBatch<ApiNotification>((changes) => {
    for (const { changes: tell } of this.#listeners) tell(changes)
  })
  readonly #backoff = new Backoff({ firstMs: 500, mostMs: 15_000 })
  #socket: WebSocket | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #seq: string | null = null
  #unopened = 0
  #pollUntil = 0
  /** Counts connections, so that an answer to an older one is not taken for news. */
  #turn = 0

  /** Returns the end of it. */
  start(): () => void {
    const online = () => this.#connect()
    const offline = () => this.#goOffline()
    addEventListener('online', online)
    addEventListener('offline', offline)
    if (navigator.onLine) this.#connect()
    else this.#goOffline()
    return () => {
      removeEventListener('online', online)
      removeEventListener('offline', offline)
      this.#drop()
      this.#turn++
      this.#unopened = 0
      this.connection = 'connecting'
    }
  }

  /** Returns the end of it. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #connect(): void {
    this.#drop()
    const turn = ++this.#turn
    const { turn: sessionTurn } = session
    const url = new URL('/ws/upload/', location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    if (this.#seq !== null) url.searchParams.set('since', this.#seq)
    const socket = new WebSocket(url)
    this.#socket = socket
    let wasOpen = false
    this.#timer = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS)
    socket.onopen = () => {
      wasOpen = true
      clearTimeout(this.#timer)
    }
    socket.onmessage = ({ data }) => {
      if (turn === this.#turn) this.#hear(JSON.parse(data as string) as Message)
    }
    socket.onclose = ({ code }) => {
      if (turn !== this.#turn) return
      this.#drop()
      if (code === SIGNED_OUT) return session.ended(sessionTurn)
      this.#unopened = wasOpen ? 0 : this.#unopened + 1
      void this.#afterClose()
    }
  }

  #hear(message: Message): void {
    this.#listenForSilence()
    if (message.type === 'send_upload_notification') {
      this.#seq = message.seq
      this.#batch.add(message)
    } else if (message.type === 'resync') {
      this.#seq = message.seq
      this.#resync()
    } else {
      this.#seq = message.seq ?? this.#seq
      this.#backoff.reset()
      this.connection = 'live'
    }
  }

  async #afterClose(): Promise<void> {
    if (!navigator.onLine) return this.#goOffline()
    if (this.#unopened >= BLOCKED_AFTER) {
      this.#pollUntil = Date.now() + RETRY_SOCKET_MS
      return this.#poll(this.#turn)
    }
    this.connection = 'waiting'
    this.#again(() => this.#connect())
  }

  async #poll(turn: number): Promise<void> {
    try {
      const { events, last, resync } = await ask<ApiEvents>(
        this.#seq === null ? '/api/events' : `/api/events?since=${this.#seq}&limit=1000`,
      )
      if (turn !== this.#turn) return
      this.#backoff.reset()
      this.connection = 'polling'
      this.#seq = last
      for (const event of events) this.#batch.add(event)
      if (resync) this.#resync()
      if (Date.now() > this.#pollUntil) return this.#connect()
      const isMore = events.length === 1000
      this.#timer = setTimeout(() => void this.#poll(turn), isMore ? 0 : POLL_MS)
    } catch {
      if (turn !== this.#turn) return
      this.connection = navigator.onLine ? 'waiting' : 'offline'
      // Perhaps sockets were not blocked, and the server was away: both are tried in turn.
      this.#unopened = BLOCKED_AFTER - 1
      this.#again(() => this.#connect())
    }
  }

  /** What nobody told us, HTTP does: whether anything for us came without us. */
  async #ask(turn: number): Promise<void> {
    try {
      const signal = AbortSignal.timeout(OPEN_TIMEOUT_MS)
      const { events, last, resync } = await ask<ApiEvents>(this.#seq === null ? '/api/events' : `/api/events?since=${this.#seq}&limit=1`, {
        signal,
      })
      if (turn !== this.#turn) return
      if (events.length === 0 && !resync) {
        // It may have gone on with what is not for us.
        this.#seq = last
        return this.#listenForSilence()
      }
    } catch {
      if (turn !== this.#turn) return
    }
    this.#connect()
  }

  #listenForSilence(): void {
    clearTimeout(this.#silence)
    const turn = this.#turn
    this.#silence = setTimeout(() => void this.#ask(turn), SILENCE_MS)
  }

  #resync(): void {
    for (const { resync } of this.#listeners) resync?.()
  }

  #goOffline(): void {
    this.#drop()
    this.#turn++
    this.connection = 'offline'
  }

  #again(action: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, this.#backoff.next())
  }

  #drop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#silence)
    const socket = this.#socket
    this.#socket = null
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    }
  }
}

export const live = new Live()
