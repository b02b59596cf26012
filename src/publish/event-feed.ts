// The contract of the publish step: a feed of state changes, numbered, with replay.
import type { Image } from '../image.ts'

/** An image as it was right after a change of state was committed. */
export interface ImageEvent {
  /** Opaque, `<epoch>.<n>`: n grows by one an event within an epoch. */
  seq: string
  image: Image
}

export interface EventFeed {
  /**
   * Announces changes, in this order, after their commit. Never rejects: what could not be announced makes the feed begin a new epoch,
   * and everyone who watches is told to read the list again.
   */
  publish(images: Image[]): Promise<void>
  /** Where the feed stands now: `read` from here gives only what is yet to come. */
  position(): string
  /**
   * Up to `limit` events after `seq`, oldest first. `null` when what follows `seq` is no longer known (it was trimmed, it is of
   * another epoch, or it never was): the watcher has to read the list again.
   */
  read(seq: string, limit: number): Promise<ImageEvent[] | null>
  /** Calls back, in order, whenever there may be new events to read. Returns the function that ends it. */
  onAppend(listener: () => void): () => void
  /** Resolves with the image at its next final state; rejects when the signal aborts. Subscribe first, then look at the row. */
  whenFinal(imageId: string, signal: AbortSignal): Promise<Image>
  /** Ends all listening. Who still waits for a final state is rejected with `shutting_down`. */
  close(): Promise<void>
}
