// The bare loop, the bench's reference: the recipe over the same files with sharp alone, without a server. The limit on this machine.
import { basename, join } from 'node:path'
import type { Format } from '../../src/image.ts'
import { prepareDecoder } from '../../src/process/child/decoder.ts'
import { makeRenditions } from '../../src/process/child/make-renditions.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import { inChild } from '../run/child.ts'

export interface BareInput {
  originals: { path: string; format: Format }[]
  /** Developed before the clock starts. */
  warmUp: { path: string; format: Format }[]
  /** Existing folder the outputs are written to. */
  folder: string
  /** Images developed at once. */
  pipelines: number
}

inChild<BareInput>(async ({ originals, warmUp, folder, pipelines }, progress) => {
  prepareDecoder()

  const develop = async (list: BareInput['originals']) => {
    const files = list[Symbol.iterator]()
    const written: Promise<unknown>[] = []
    let done = 0
    const pipeline = async () => {
      for (const { path, format } of files) {
        const output = join(folder, basename(path))
        // The next image begins when the pixels of this one are done with: waiting for the disk would leave a core idle.
        await new Promise<void>((resolve, reject) => {
          const outputs = operationsOf(RECIPE, format).map((operation) => ({ operation, path: `${output}.${operation}` }))
          const developed = makeRenditions({ format, originalPath: path, outputs }, Number.MAX_SAFE_INTEGER, { encoded: resolve })
          written.push(developed)
          developed.then(() => progress(++done), reject)
        })
      }
    }
    await Promise.all(Array.from({ length: pipelines }, pipeline))
    await Promise.all(written)
  }

  await develop(warmUp)
  return { measure: () => develop(originals), tell: () => ({}) }
})
