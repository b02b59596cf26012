// The embedded queue: hints in memory, batches taking turns, so that a batch of thousands does not hold up a single upload after it.
import type { Job, JobQueue } from './job-queue.ts'

export function createMemoryQueue(): JobQueue {
  // Batches in the order of their turns; within one, hashes with their places, in the order they came, none twice.
  const batches = new Map<string, Map<string, number>>()
  let depth = 0
  let taker: { most: number; resolve: (jobs: Job[]) => void } | null = null
  let ended = false

  function takeUpTo(most: number): Job[] {
    const jobs: Job[] = []
    // The map grows while it is walked: a batch with more to give goes to the end of the line.
    for (const [batchId, hashes] of batches) {
      if (jobs.length === most) break
      const [sha256, place] = hashes.entries().next().value!
      hashes.delete(sha256)
      batches.delete(batchId)
      if (hashes.size > 0) batches.set(batchId, hashes)
      jobs.push({ sha256, batchId, place })
    }
    depth -= jobs.length
    return jobs
  }

  function serve() {
    if (!taker || (depth === 0 && !ended)) return
    const { most, resolve } = taker
    taker = null
    resolve(ended ? [] : takeUpTo(most))
  }

  async function endTaking() {
    ended = true
    serve()
  }

  return {
    async add(jobs) {
      for (const { sha256, batchId, place } of jobs) {
        const hashes = batches.get(batchId) ?? new Map<string, number>()
        batches.set(batchId, hashes)
        depth -= hashes.size
        hashes.set(sha256, place)
        depth += hashes.size
      }
      serve()
    },

    take(most) {
      if (taker) throw new Error('the queue has one taker')
      return new Promise((resolve) => {
        taker = { most, resolve }
        serve()
      })
    },

    async drop(batchId) {
      depth -= batches.get(batchId)?.size ?? 0
      batches.delete(batchId)
    },

    depth: async () => depth,

    endTaking,
    close: endTaking,
  }
}
