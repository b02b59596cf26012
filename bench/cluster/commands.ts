// Listens to what the cluster asks of its Redis, and tells the queue's commands from the feed's.
import { Redis } from 'ioredis'

export interface Commands {
  /** Commands that a client sent, each a round trip or a part of one; what a script does inside is not among them. */
  queueOps: number
  feedOps: number
  /** Of connections: authentication, pings. */
  others: number
}

/** The prefixes of the keys of `queue/bullmq.ts` and of `publish/redis-stream.ts`. */
const QUEUE = 'calotype:chunks'
const FEED = 'calotype:{events}'
/** What was sent is heard a moment later. */
const SETTLING_MS = 100

/** Counts from now on. `take` gives what came since it was last called. */
export async function listenToCommands(url: string) {
  const client = new Redis(url)
  const monitor = await client.monitor()
  let counts: Commands = { queueOps: 0, feedOps: 0, others: 0 }
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === 'lua') return
    const about = (prefix: string) => args.some((arg) => arg.startsWith(prefix))
    if (about(QUEUE)) counts.queueOps++
    else if (about(FEED)) counts.feedOps++
    else counts.others++
  })
  return {
    async take(): Promise<Commands> {
      await new Promise((resolve) => setTimeout(resolve, SETTLING_MS))
      const taken = counts
      counts = { queueOps: 0, feedOps: 0, others: 0 }
      return taken
    },
    close() {
      monitor.disconnect()
      client.disconnect()
    },
  }
}
