// How much memory one image may take at most: what is left of the machine's beside the server and its idle children.
import { grantedMemory } from '../../config/granted-memory.ts'

/**
 * What a server or worker, and a child without pixels, can't do without; most of what is resident is code they share, and is read again
 * when it is needed. In 512 MiB, with two children, an AVIF of 20 MP that took 373 MB was developed, and took all there was.
 */
const SERVER_BYTES = 80e6
const CHILD_BYTES = 30e6

/** Bytes there are for one image while all children but its own are idle. */
export function roomForOne(concurrency: number): number {
  return Math.max(0, grantedMemory() - SERVER_BYTES - concurrency * CHILD_BYTES)
}
