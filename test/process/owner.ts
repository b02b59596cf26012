// A process that owns a pool and works it without end, for the test that kills it: prints its children once they are busy.
import { setTimeout as sleep } from 'node:timers/promises'
import { createChildPool } from '../../src/process/pool/child-pool.ts'
import type { ImageTask } from '../../src/process/image-processor.ts'

const task = JSON.parse(process.argv[2]!) as ImageTask
const pool = createChildPool({ concurrency: 2, timeoutMs: 60_000, memoryBytes: 2 ** 29, maxPixels: 50_000_000 })
for (const place of ['a', 'b']) {
  void pool.develop({ ...task, outputs: task.outputs.map(({ operation, path }) => ({ operation, path: `${path}-${place}` })) })
}
while (pool.stats().children.filter((child) => child.busy).length < 2) await sleep(20)
console.log(JSON.stringify(pool.stats().children.map((child) => child.pid)))
