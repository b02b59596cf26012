// The buffers of a body die young: this has the garbage collector take them before their sheer size makes it look at everything.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Buffers that came since V8 last marked its whole heap count against what the heap may grow by until the next time. By itself it lets
// 28 MB grow by 12, and then marked it for each 16 MB of photographs: 45 ms of CPU, 20 times for 340 MB. It may grow by 17 now, and
// less than that comes between two looks at the young ones, which take 1 ms. With more, a list of 100,000 images took 150 MB instead of 77.
const HEAP_GROWING_PERCENT = 60
const COLLECT_EVERY_BYTES = 8 * 1024 * 1024

/**
 * Sets flags of V8 for the whole process, so it is for the command that owns it, once. Returns the function to call with the size of every
 * buffer that arrived: after each 8 MiB the young generation is collected.
 */
export function collectYoungGarbage(): (bytes: number) => void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void
  let uncollected = 0
  return (bytes) => {
    uncollected += bytes
    if (uncollected < COLLECT_EVERY_BYTES) return
    uncollected = 0
    collect({ type: 'minor' })
  }
}
