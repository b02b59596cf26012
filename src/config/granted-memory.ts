import { totalmem } from 'node:os'

/** Bytes this machine has, or the container or group this process is in, if that is less. */
export function grantedMemory(): number {
  // Where nothing is limited it is 0, or far above any memory.
  return Math.min(process.constrainedMemory() || Infinity, totalmem())
}
