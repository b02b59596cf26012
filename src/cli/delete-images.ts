// `calotype images delete --all`: empties everything, through the server if one runs, else in the DATA_DIR itself.
import type { ApiError } from '../api/errors.ts'
import type { ApiImage } from '../api/images.ts'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { createLog } from '../log.ts'
import { readServerInfo } from '../store/data-dir-lock.ts'
import { withAdminKey } from './admin-key.ts'
import { confirm } from './ask.ts'

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
    await deleteAll(url, headers, ids)
    console.log(`Deleted ${ids.length} images.`)
  })
}

type Headers = Record<string, string>

async function call(url: string | URL, method: 'GET' | 'POST', headers: Headers, body?: string): Promise<Response> {
  const answer = await fetch(url, { method, headers, ...(body !== undefined && { body }) })
  if (answer.ok) return answer
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

async function deleteAll(base: string, headers: Headers, ids: string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += PAGE) {
    const body = JSON.stringify({ ids: ids.slice(at, at + PAGE) })
    const answer = await call(new URL('/api/images/delete', base), 'POST', { ...headers, 'content-type': 'application/json' }, body)
    await answer.body?.cancel()
    console.error(`${Math.min(at + PAGE, ids.length)} of ${ids.length} deleted`)
  }
}
