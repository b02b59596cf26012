// Turns for work that takes memory: a few at a time, none of them all for one caller; the others wait, in their order, and not for ever.
import { CalotypeError } from '../../errors.ts'

export interface TurnLimits {
  /** At a time; of one caller. */
  most: number
  mostEach: number
  mostWaiting: number
  /** Longest wait for a turn. */
  waitMs: number
  /** What has had its turn for so long without being ready gives way to those who wait. */
  holdMs: number
}

export interface Turn {
  /** Aborted with `overloaded` when the turn is needed by others. */
  signal: AbortSignal
  /** It is ready, and only its end is waited for: nobody takes the turn away any more. */
  keep(): void
  end(): void
}

interface Waiting {
  caller: string
  begin: () => void
}

export interface Turns {
  /** Waits for a turn; rejects with `overloaded` after `waitMs`, at once if too many wait, and with the reason of `signal`. */
  take(caller: string, signal: AbortSignal): Promise<Turn>
}

const overloaded = () =>
  new CalotypeError('overloaded', 'Too many large requests arrive at the same time. Send this one again in a moment.', {
    retryAfterSeconds: 2,
  })

export function createTurns({ most, mostEach, mostWaiting, waitMs, holdMs }: TurnLimits): Turns {
  const waiting = new Set<Waiting>()
  const held = new Map<Turn, { caller: string; giveWay: () => void }>()

  const isFree = (caller: string) => held.size < most && [...held.values()].filter((turn) => turn.caller === caller).length < mostEach

  function beginNext() {
    for (const next of waiting) {
      if (!isFree(next.caller)) continue
      waiting.delete(next)
      next.begin()
    }
    if (waiting.size > 0) for (const { giveWay } of held.values()) giveWay()
  }

  function begin(caller: string): Turn {
    const taken = new AbortController()
    let isKept = false
    const startedAt = performance.now()
    const giveWay = () => {
      if (!isKept && waiting.size > 0 && performance.now() - startedAt >= holdMs) taken.abort(overloaded())
    }
    const timer = setTimeout(giveWay, holdMs)
    const turn: Turn = {
      signal: taken.signal,
      keep: () => (isKept = true),
      end() {
        clearTimeout(timer)
        if (held.delete(turn)) beginNext()
      },
    }
    held.set(turn, { caller, giveWay })
    return turn
  }

  return {
    take(caller, signal) {
      if (isFree(caller)) return Promise.resolve(begin(caller))
      if (waiting.size >= mostWaiting) return Promise.reject(overloaded())
      const { promise, resolve, reject } = Promise.withResolvers<Turn>()
      const leave = (reason: unknown) => {
        waiting.delete(own)
        settle()
        reject(reason)
      }
      const timer = setTimeout(() => leave(overloaded()), waitMs)
      const gone = () => leave(signal.reason)
      const settle = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', gone)
      }
      const own: Waiting = {
        caller,
        begin() {
          settle()
          resolve(begin(caller))
        },
      }
      signal.addEventListener('abort', gone)
      waiting.add(own)
      beginNext()
      return promise
    },
  }
}
