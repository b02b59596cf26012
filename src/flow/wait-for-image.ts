// Waits for the outcome of one image: what a sync upload answers with.
import { isFinal, type Image } from '../image.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { ImageStore } from '../record/image-store.ts'

// The feed tells at once; where it was away for a moment, the row does.
const LOOK_AGAIN_MS = 2_000

/** The image at its final state, or as it is after `timeoutMs` or when the server stops; null if it was deleted meanwhile. */
export async function waitForImage(
  { images, feed }: { images: ImageStore; feed: EventFeed },
  image: Image,
  timeoutMs: number,
): Promise<Image | null> {
  if (isFinal(image.status)) return image
  const end = Date.now() + timeoutMs
  for (;;) {
    const left = end - Date.now()
    const timeout = AbortSignal.timeout(Math.max(0, Math.min(left, LOOK_AGAIN_MS)))
    const outcome = feed.whenFinal(image.id, timeout).then(
      (final) => final,
      () => (timeout.aborted ? null : ('closed' as const)),
    )
    // It may have become final between the row and the subscription.
    const now = await images.get(image.id, null)
    if (!now || isFinal(now.status) || left <= 0) return now
    const final = await outcome
    if (final === 'closed') return now
    if (final) return final
  }
}
