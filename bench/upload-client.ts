// The client of the bench: uploads photographs by one of the three endpoints and waits, on the WebSocket, until all are developed.
import { Agent } from 'node:http'
import WebSocket from 'ws'
import type { ApiInitiated, ApiNotification, ApiUploaded } from '../src/api.ts'
import { inChild } from './child.ts'
import { postFiles, type SentFile } from './multipart.ts'

export const MODES = ['sync', 'async', 'batch'] as const
export type Mode = (typeof MODES)[number]

export interface ClientInput {
  url: string
  mode: Mode
  originals: SentFile[]
  /** Uploaded and developed before the clock starts. */
  warmUp: SentFile[]
}

/** Requests under way at once, in the modes of one file a request. */
const REQUESTS_AT_ONCE = 16

/** Hears on the WebSocket what becomes of every image; `progress` is told how many are completed. */
async function watch(url: string, progress: (done: number) => void) {
  const completed = new Set<string>()
  let failure: Error | undefined
  let wake = () => {}
  const fail = (error: Error) => {
    failure ??= error
    wake()
  }
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws/upload/`, { perMessageDeflate: false })
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as ApiNotification | { type: 'resync' } | { type?: never }
    if (message.type === 'resync') return fail(new Error('The feed moved on faster than the bench could listen.'))
    if (message.type === undefined) return
    if (message.status === 'completed') {
      progress(completed.add(message.id).size)
      wake()
    } else if (message.status === 'error' || message.status === 'aborted') {
      fail(new Error(`${message.name} ended as ${message.status}: ${message.error ?? message.message}`))
    }
  })
  socket.once('close', () => fail(new Error('The server closed the WebSocket.')))
  await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject))
  socket.on('error', fail)
  return {
    /** Resolves when all of them are; rejects once any image ends otherwise, or nothing more can be heard. */
    async completed(images: { id: string }[]): Promise<void> {
      while (failure === undefined) {
        if (images.every(({ id }) => completed.has(id))) return completed.clear()
        await new Promise<void>((resolve) => (wake = resolve))
      }
      throw failure
    },
  }
}

inChild<ClientInput>(async ({ url, mode, originals, warmUp }, progress) => {
  const agent = new Agent({ keepAlive: true, maxSockets: REQUESTS_AT_ONCE })
  const watcher = await watch(url, progress)

  const post = async <Body>(path: string, field: string, files: SentFile[], expectedStatus: number): Promise<Body> => {
    const { status, body } = await postFiles(agent, `${url}${path}`, field, files)
    if (status !== expectedStatus) throw new Error(`POST ${path} was answered with ${status}: ${JSON.stringify(body)}`)
    return body as Body
  }
  const initiated = async (path: string, files: SentFile[]) => {
    const { images, rejected } = await post<ApiInitiated>(path, 'images', files, 202)
    if (images.length !== files.length) throw new Error(`POST ${path} rejected ${JSON.stringify(rejected)}`)
    return images
  }
  const send: Record<Mode, (files: SentFile[]) => Promise<{ id: string }[]>> = {
    sync: (files) => oneByOne(files, async (file) => (await post<ApiUploaded>('/api/upload', 'image', [file], 200)).image),
    async: (files) => oneByOne(files, async (file) => (await initiated('/api/async/upload', [file]))[0]!),
    batch: (files) => initiated('/api/async/batch/upload', files),
  }

  await watcher.completed(await send.sync(warmUp))
  return async () => watcher.completed(await send[mode](originals))
})

/** Each file in a request of its own, so many at once; what they were answered, in their order. */
async function oneByOne<T>(files: SentFile[], post: (file: SentFile) => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  let next = 0
  const sender = async () => {
    for (let index = next++; index < files.length; index = next++) answers[index] = await post(files[index]!)
  }
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, sender))
  return answers
}
