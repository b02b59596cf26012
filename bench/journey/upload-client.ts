// The client of the bench: uploads photographs by one of the three endpoints and waits, on the WebSocket, until all are developed.
import { Agent } from 'node:http'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiInitiated, ApiUploaded } from '../../src/api/uploads.ts'
import { inChild } from '../run/child.ts'
import { postFiles, type Answer, type SentFile } from '../run/multipart.ts'
import { percentiles, type Percentiles } from '../measure/statistics.ts'
import { watchFinals } from '../measure/watch-finals.ts'

export const MODES = ['sync', 'async', 'batch'] as const
export type Mode = (typeof MODES)[number]

export interface ClientInput {
  url: string
  mode: Mode
  originals: SentFile[]
  /** Uploaded and developed before the clock starts. */
  warmUp: SentFile[]
  /** Requests under way at once, in the modes of one file a request. */
  atOnce: number
  /** Deletes what it uploaded: the server is not ours. */
  remove: boolean
}

/** Milliseconds, as the client sees them. */
export interface ClientFindings {
  /** From the first byte of a request to its answer. */
  acknowledgedMs: Percentiles | null
  /** From when the last byte of its request was with the system until an image was heard to be completed; one that was before took 0. */
  completedMs: Percentiles | null
  /** From `finished_at` of an image to when it was heard of: both by clocks of one machine, and the commit itself lies in between. */
  eventMs: Percentiles | null
  /** Sync uploads that were answered with 202, since they took too long to wait for. */
  answeredBefore: number
}

type Sent = Omit<Answer, 'body' | 'status'> & { ids: string[]; early: boolean }

inChild<ClientInput, ClientFindings>(async ({ url, mode, originals, warmUp, atOnce, remove }, progress) => {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const watcher = await watchFinals(url, progress)

  const post = async (path: string, field: string, files: SentFile[], statuses: number[]): Promise<Sent> => {
    const { status, body, ...times } = await postFiles(agent, `${url}${path}`, field, files)
    if (!statuses.includes(status)) throw new Error(`POST ${path} was answered with ${status}: ${JSON.stringify(body)}`)
    const images = 'image' in (body as object) ? [(body as ApiUploaded).image] : (body as ApiInitiated).images
    if (images.length !== files.length) throw new Error(`POST ${path} rejected ${JSON.stringify((body as ApiInitiated).rejected)}`)
    return { ...times, ids: images.map(({ id }) => id), early: status !== statuses[0] }
  }
  const send: Record<Mode, (files: SentFile[]) => Promise<Sent[]>> = {
    sync: (files) => oneByOne(files, atOnce, (file) => post('/api/upload', 'image', [file], [200, 202])),
    async: (files) => oneByOne(files, atOnce, (file) => post('/api/async/upload', 'images', [file], [202])),
    batch: async (files) => [await post('/api/async/batch/upload', 'images', files, [202])],
  }
  const upload = async (files: SentFile[], how: Mode) => {
    const requests = await send[how](files)
    const ids = requests.flatMap((request) => request.ids)
    await watcher.completed(ids)
    return requests
  }

  const warm = await upload(warmUp, 'sync')
  watcher.heardAt.clear()
  let requests: Sent[] = []
  return {
    async measure() {
      requests = await upload(originals, mode)
    },
    async tell() {
      const ids = requests.flatMap((request) => request.ids)
      const finishedAt = await finishedTimes(url, new Set(ids))
      if (remove) await removeImages(url, [...warm.flatMap((request) => request.ids), ...ids])
      return {
        acknowledgedMs: percentiles(requests.map(({ startedAt, answeredAt }) => answeredAt - startedAt)),
        completedMs: percentiles(requests.flatMap((sent) => sent.ids.map((id) => Math.max(0, watcher.heardAt.get(id)!.at - sent.sentAt)))),
        eventMs: percentiles([...finishedAt].map(([id, at]) => Math.max(0, watcher.heardAt.get(id)!.dateMs - at))),
        answeredBefore: requests.filter(({ early }) => early).length,
      }
    },
  }
})

/** Each file in a request of its own, so many at once; what they were answered, in their order. */
async function oneByOne<T>(files: SentFile[], atOnce: number, post: (file: SentFile) => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  let next = 0
  const sender = async () => {
    for (let index = next++; index < files.length; index = next++) answers[index] = await post(files[index]!)
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
  return answers
}

/** `finished_at` of these images, from the newest pages of the list. */
async function finishedTimes(url: string, ids: Set<string>): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  let path: string | undefined = '/api/list?limit=1000'
  while (path !== undefined && times.size < ids.size) {
    const response: Response = await fetch(url + path)
    for (const { id, finished_at } of (await response.json()) as ApiImage[])
      if (ids.has(id) && finished_at !== null) times.set(id, Date.parse(finished_at))
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return times
}

async function removeImages(url: string, ids: string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += 1_000) {
    const body = JSON.stringify({ ids: ids.slice(from, from + 1_000) })
    const response = await fetch(`${url}/api/images/delete`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    if (!response.ok) throw new Error(`What was uploaded could not be deleted again: ${await response.text()}`)
  }
}
