// The second half of a trace: what became of each image, told by whoever claimed its original, in whatever process that is.
import type { Image } from '../image.ts'
import type { Observed, Took } from './observer.ts'
import type { Emit } from './span.ts'

/** An original in hand: what was done for all images that share it. */
interface Work {
  claimed: Took
  fetched?: Took
  developed?: Took & { code: string | null }
  stored?: Took
}

/** Of a key of the store: `originals/ab/<sha256>`, `renditions/ab/<sha256>-…`. */
const sha256Of = (key: string) => key.split('/')[2]?.slice(0, 64) ?? ''

export function traceWork(emit: Emit): (event: Observed) => void {
  const inHand = new Map<string, Work>()
  /** Recorded, and not yet announced. */
  const recorded = new Map<string, { work: Work; took: Took }>()

  function tellOf(image: Image, { work, took }: { work: Work; took: Took }, announced: Took) {
    const { id, batchId, sha256, uploadedAt, size, format, failure } = image
    const attributes = { 'calotype.image.id': id, 'calotype.image.sha256': sha256 }
    const part = (name: string, part: Took | undefined, error: string | null = null) =>
      part && emit({ name, batchId, within: id, ...part, attributes, error })
    emit({
      name: 'image',
      batchId,
      of: id,
      within: batchId,
      startedAt: uploadedAt,
      endedAt: announced.endedAt,
      attributes: { ...attributes, 'calotype.image.bytes': size, 'calotype.image.format': format, 'calotype.image.status': image.status },
      error: failure?.code ?? null,
    })
    part('queue wait', { startedAt: Math.min(uploadedAt, work.claimed.startedAt), endedAt: work.claimed.startedAt })
    part('claim', work.claimed)
    part('fetch original', work.fetched)
    part('develop', work.developed, work.developed?.code)
    part('store outputs', work.stored)
    part('record outcome', took)
    part('publish', announced)
  }

  return (event) => {
    switch (event.what) {
      case 'claimed':
        for (const sha256 of event.hashes) inHand.set(sha256, { claimed: event.took })
        return
      case 'given-back':
        for (const sha256 of event.hashes) inHand.delete(sha256)
        return
      case 'blob': {
        const [key = ''] = event.keys
        const work = inHand.get(sha256Of(key))
        if (!work || event.code !== null) return
        if (event.operation === 'checkout') work.fetched = event.took
        // Two at a time: together they take from the first begun to the last done.
        if (event.operation === 'put' && key.startsWith('renditions/')) {
          const { startedAt, endedAt } = work.stored ?? event.took
          work.stored = { startedAt: Math.min(startedAt, event.took.startedAt), endedAt: Math.max(endedAt, event.took.endedAt) }
        }
        return
      }
      case 'developed': {
        const work = inHand.get(event.sha256)
        if (work) work.developed = { ...event.took, code: event.code }
        return
      }
      case 'finished': {
        const work = inHand.get(event.sha256)
        inHand.delete(event.sha256)
        if (work) for (const { id } of event.images) recorded.set(id, { work, took: event.took })
        return
      }
      case 'published':
        for (const image of event.images) {
          const outcome = recorded.get(image.id)
          if (outcome && recorded.delete(image.id)) tellOf(image, outcome, event.took)
        }
    }
  }
}
