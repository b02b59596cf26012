// `calotype images delete --all`: empties everything, through the server if one runs, else in the DATA_DIR itself.
import type { ApiError, ApiImage } from '../api.ts'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { createLog } from '../log.ts'
import { readServerInfo } from '../store/data-dir-lock.ts'
import { withAdminKey } from './admin-key.ts'
import { confirm } from './ask.ts'

const AT_ONCE = 8
const PAGE = 500

/** Asks first unless `yes`. Throws StartError when nobody can be asked, or when the running server refuses. */
export async function deleteImages(config: Config, { yes }: { yes: boolean }): Promise<void> {
  if (!yes && !process.stdin.isTTY) throw new StartError('Nobody is there to be asked. Add --yes to delete all images without asking.')
  const server = readServerInfo(config.dataDir)
  if (!server) {
    if (!yes && !(await confirm(`Delete all images in ${config.dataDir}?`))) return
    const { deleteAllImages } = await import('../maintain.ts')
    const { deleted, halt } = await deleteAllImages(config, createLog(config.logLevel))
    console.log(`Deleted ${deleted} images.`)
    if (halt) console.log('Their files are still there, as deletion is halted: `calotype doctor` says why, and what to do.')
    return
  }
  if (!server.url)
    throw new StartError(`The server (PID ${server.pid}) on ${config.dataDir} is still starting. Try again when it is ready.`)
  const { url } = server
  await withAdminKey(config, async (headers) => {
    const ids = await listIds(url, headers)
    if (!yes && !(await confirm(`Delete all ${ids.length} images of ${url} in ${config.dataDir}?`))) return
    await deleteEach(url, headers, ids)
    console.log(`Deleted ${ids.length} images.`)
  })
}

type Headers = Record<string, string>

async function call(url: string | URL, method: 'GET' | 'DELETE', headers: Headers): Promise<Response> {
  const answer = await fetch(url, { method, headers })
  // An image that someone else deletes meanwhile is as gone as it should be.
  if (answer.ok || (method === 'DELETE' && answer.status === 404)) return answer
  const { error } = (await answer.json()) as ApiError
  throw new StartError(`The server said ${answer.status} to ${method} ${answer.url}: ${error}`)
}

async function listIds(base: string, headers: Headers): Promise<string[]> {
  const ids: string[] = []
  let next: URL | undefined = new URL(`/api/images?limit=${PAGE}`, base)
  while (next) {
    const answer: Response = await call(next, 'GET', headers)
    for (const { id } of (await answer.json()) as ApiImage[]) ids.push(id)
    const link: string | undefined = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    next = link === undefined ? undefined : new URL(link, base)
  }
  return ids
}

async function deleteEach(base: string, headers: Headers, ids: string[]): Promise<void> {
  const waiting = ids.values()
  let deleted = 0
  const work = async () => {
    for (const id of waiting) {
      const answer = await call(new URL(`/api/images/${id}`, base), 'DELETE', headers)
      await answer.body?.cancel()
      deleted += 1
      if (deleted % PAGE === 0) console.error(`${deleted} of ${ids.length} deleted`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}
