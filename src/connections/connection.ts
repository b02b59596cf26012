// One HTTP connection: its pipelined requests are handled in turn, and reading pauses while too many wait.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Requests that may wait on a connection before it is read no further. Node parses what it has read, up to 64 KiB, in one go, so more may
 * wait for a moment.
 */
const MAX_WAITING = 8

/** Requests that may wait on all connections of a listener together; each takes 2.5 KB (measured: Node 24, `GET /` without headers). */
const MAX_WAITING_IN_ALL = 10_000

/** What all connections of a listener share. */
export interface Shared {
  handle: RequestListener
  /** Requests that wait, on all connections. */
  waiting: number
}

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/**
 * Hands each request to the handler once the response before it is finished: whatever is pipelined, a connection has the files, rows and
 * buffers of one request open. A connection that goes on sending when all others have filled the room for waiting requests is destroyed.
 */
export class Connection {
  readonly socket: Socket
  readonly #shared: Shared
  readonly #waiting: Exchange[] = []
  #current: Exchange | null = null
  /** The last request whose head has come. */
  #latest: Exchange | null = null
  #isPaused = false
  #lastWords: string | null = null

  constructor(socket: Socket, shared: Shared) {
    this.socket = socket
    this.#shared = shared
    socket.once('close', () => this.#dropWaiting())
  }

  get isBusy(): boolean {
    return this.#current !== null
  }

  /** False until the head of the first request has come. */
  get wasAsked(): boolean {
    return this.#latest !== null
  }

  /** The request whose body has not come whole. */
  get arriving(): IncomingMessage | null {
    return this.#latest?.request.complete === false ? this.#latest.request : null
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    if (this.#lastWords !== null) return
    const exchange = { request, response }
    this.#latest = exchange
    if (this.#current === null) this.#begin(exchange)
    else this.#hold(exchange)
  }

  /**
   * Sends a last answer, to what is no request or does not come whole, and closes the connection: behind the answers to requests that came
   * before, and without it where the request it speaks of has its answer already.
   */
  endWith(answer: string): void {
    if (this.#lastWords !== null) return
    this.#lastWords = answer
    const { arriving } = this
    if (arriving !== null && this.#waiting.at(-1)?.request === arriving) {
      this.#waiting.pop()
      this.#shared.waiting--
    }
    const isOfCurrent = arriving !== null && this.#current?.request === arriving
    const isAnswered = arriving !== null && (this.#current === null || (isOfCurrent && this.#current.response.headersSent))
    if (isAnswered) this.socket.destroy()
    else if (isOfCurrent || this.#current === null) this.#close(answer)
  }

  #close(answer: string): void {
    this.socket.end(answer, () => this.socket.destroy())
  }

  #begin(exchange: Exchange): void {
    this.#current = exchange
    exchange.response.on('close', this.#next)
    this.#shared.handle(exchange.request, exchange.response)
  }

  readonly #next = (): void => {
    this.#current = null
    // Also after a response that ends the connection: what was sent behind it must have no effect.
    if (!this.socket.writable) return this.#dropWaiting()
    const exchange = this.#waiting.shift()
    if (exchange === undefined) {
      if (this.#lastWords !== null) this.#close(this.#lastWords)
      return
    }
    this.#shared.waiting--
    if (this.#isPaused && this.#waiting.length < MAX_WAITING / 2 && this.#lastWords === null) this.#resume()
    this.#begin(exchange)
  }

  #hold(exchange: Exchange): void {
    this.#waiting.push(exchange)
    this.#shared.waiting++
    if (this.#waiting.length <= MAX_WAITING) return
    if (this.#shared.waiting > MAX_WAITING_IN_ALL) this.socket.destroy()
    else if (!this.#isPaused) this.#pause()
  }

  #pause(): void {
    this.#isPaused = true
    this.socket.on('resume', this.#pauseAgain)
    this.socket.pause()
  }

  /** Node resumes its socket by itself, for one, to read on after a finished request. */
  readonly #pauseAgain = (): void => void this.socket.pause()

  #resume(): void {
    this.#isPaused = false
    this.socket.off('resume', this.#pauseAgain)
    this.socket.resume()
  }

  #dropWaiting(): void {
    this.#shared.waiting -= this.#waiting.length
    this.#waiting.length = 0
  }
}
