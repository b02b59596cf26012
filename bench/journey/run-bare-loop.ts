// Runs the bare loop in a process of its own.
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { BareInput } from './bare-loop.ts'
import { runChild, type Taken } from '../run/child.ts'
import { shown } from '../run/progress.ts'
import { emptyFolder } from '../run/scratch.ts'

/** Far longer than it takes on the slowest machine: only a hang ends by it. */
export const limitMs = (images: number) => 120_000 + images * 5_000

/** Its outputs go to a folder within `root`, and take no room afterwards. */
export async function runBareLoop(input: Omit<BareInput, 'folder'>, root: string, label = ''): Promise<Taken> {
  const folder = await mkdtemp(join(root, 'bare-'))
  const { length } = input.originals
  const taken = await shown(`bare loop ${label}`.trim(), length, (onProgress) =>
    runChild<BareInput, Taken>(
      join(import.meta.dirname, 'bare-loop.ts'),
      { ...input, folder },
      { timeoutMs: limitMs(length), onProgress, env: { UV_THREADPOOL_SIZE: String(4 + input.pipelines) } },
    ),
  )
  await emptyFolder(folder)
  return taken
}
