// Turns at costly work, a few at a time: addresses that wait come up in rotation, so that one that asks for much delays only itself.
import { CalotypeError } from '../../errors.ts'

export interface FairTurnsOptions {
  concurrency: number
  /** Of one address; beyond it that address is refused. */
  maxWaitingPerAddress: number
  /** Of all addresses; beyond it the newest of the address with the most makes room. */
  maxWaiting: number
  retryAfterSeconds: number
}

interface Waiting {
  begin(): void
  refuse(error: CalotypeError): void
}

/**
 * Runs `work` when its turn comes. An address that is alone in waiting waits at most for one work of each other address. Rejects with
 * `overloaded` where the address has too much waiting, or all addresses together have and none has more than this one.
 */
export type FairTurns = <T>(address: string, work: () => Promise<T>) => Promise<T>

export function createFairTurns({ concurrency, maxWaitingPerAddress, maxWaiting, retryAfterSeconds }: FairTurnsOptions): FairTurns {
  /** In the order of their turns: who has had one goes to the end. */
  const queues = new Map<string, Waiting[]>()
  let running = 0
  let waitingCount = 0

  const overloaded = () => new CalotypeError('overloaded', undefined, { retryAfterSeconds })

  function beginNext(): void {
    for (const [address, queue] of queues) {
      const next = queue.shift()
      queues.delete(address)
      if (queue.length > 0) queues.set(address, queue)
      if (next === undefined) continue
      waitingCount -= 1
      next.begin()
      return
    }
    running -= 1
  }

  /** False where no address has more waiting than this one would have. */
  function makeRoom(own: number): boolean {
    let longest: Waiting[] | undefined
    for (const queue of queues.values()) if (queue.length > (longest?.length ?? own + 1)) longest = queue
    const newest = longest?.pop()
    if (newest === undefined) return false
    waitingCount -= 1
    newest.refuse(overloaded())
    return true
  }

  async function turn(address: string): Promise<void> {
    if (running < concurrency) {
      running += 1
      return
    }
    const queue = queues.get(address) ?? []
    if (queue.length >= maxWaitingPerAddress) throw overloaded()
    if (waitingCount >= maxWaiting && !makeRoom(queue.length)) throw overloaded()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    queue.push({ begin: resolve, refuse: reject })
    queues.set(address, queue)
    waitingCount += 1
    return promise
  }

  return async (address, work) => {
    await turn(address)
    try {
      return await work()
    } finally {
      beginNext()
    }
  }
}
