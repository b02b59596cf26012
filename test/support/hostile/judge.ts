// Has bombs judged from their headers, in a process of its own, as children of the process step are.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Format } from '../../../src/image.ts'
import { type Bomb, makeBombs } from './bombs.ts'
import type { Judged, ToJudge } from './judge-child.ts'
import { makeSeeds } from './seeds.ts'

/** Makes bombs of about `bytes` bytes in the folder; gives each with what became of it. Rejects if the process ends first. */
export async function judgeBombs(folder: string, bytes: number): Promise<(Bomb & { judged: Judged })[]> {
  const write = async (name: string, format: Format, content: Buffer): Promise<ToJudge> => {
    const path = join(folder, name)
    await writeFile(path, content)
    return { path, format }
  }
  const warm = await Promise.all(
    Object.entries(await makeSeeds()).map(([format, seeds]) => write(`warm-${format}`, format as Format, seeds.at(-1)!)),
  )
  const bombs = await makeBombs(bytes)
  const files = await Promise.all(bombs.map(({ format, bytes: content }, index) => write(`bomb-${index}`, format, content)))
  const child = fork(join(import.meta.dirname, 'judge-child.ts'), { env: { MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '3' }, execArgv: [] })
  try {
    child.send({ warm, files })
    const ended = once(child, 'exit').then(([code, signal]) =>
      Promise.reject(new Error(`It ended with ${signal ?? code} before it was done.`)),
    )
    const [judged] = (await Promise.race([once(child, 'message'), ended])) as [Judged[]]
    ended.catch(() => {})
    return bombs.map((bomb, index) => ({ ...bomb, judged: judged[index]! }))
  } finally {
    child.kill('SIGKILL')
  }
}
