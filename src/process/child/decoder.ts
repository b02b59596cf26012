// The decoder: sharp, allowed to read the five formats taken in and nothing else, its errors told for a person.
import sharp from 'sharp'
import { CalotypeError } from '../../errors.ts'

/**
 * Sets sharp up for this process: one thread an image, for there is a process for each core; no cache, for no image comes twice;
 * and every loader off but those of the formats taken in. Call once, before the first image.
 */
export function prepareDecoder(): void {
  sharp.concurrency(1)
  sharp.cache(false)
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({
    operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp', 'VipsForeignLoadNsgif', 'VipsForeignLoadHeif'],
  })
}

/** Develops a speck in memory, so that no image pays for what libvips does once in a process. */
export async function warmUp(): Promise<void> {
  const speck = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'grey' } })
    .jpeg()
    .toBuffer()
  await sharp(speck).resize(8).webp().toBuffer()
}

/** What sharp says when the fault is not the image's. */
const OUR_FAULT = /out of memory|cannot allocate|creating thread|input file is missing|unable to open/i

/** What glib says where libvips gets no thread for an image. */
const NO_THREAD = /Error creating thread/

/** Whether sharp, or an error that it is the cause of, says that the system gives this process no threads. */
export function lacksThreads(error: unknown): boolean {
  return error instanceof Error && (NO_THREAD.test(error.message) || lacksThreads(error.cause))
}

/** Translates what sharp says of an original; its words speak of paths and libraries and are kept as the cause. */
export function toDecodeError(error: unknown): CalotypeError {
  const ours = error instanceof Error && OUR_FAULT.test(error.message)
  return new CalotypeError(ours ? 'internal' : 'invalid_image', undefined, { cause: error })
}
