// What the benches of the cluster upload: small photographs by the thousand, in a folder that goes afterwards.
import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { smallPhotograph } from '../../test/support/inputs/photographs.ts'

/** Writes `count` small JPEGs (20 to 100 KB, all different), gives their paths to `use`, and takes them away when that is done. */
export async function withSmallPhotographs<T>(count: number, use: (files: string[]) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-bench-'))
  const atExit = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', atExit)
  try {
    const files: string[] = []
    for (let seed = 0; seed < count; seed++) {
      const path = join(folder, `photograph-${seed}.jpg`)
      await writeFile(path, await smallPhotograph({ seed }))
      files.push(path)
    }
    return await use(files)
  } finally {
    await rm(folder, { recursive: true })
    process.off('exit', atExit)
  }
}
