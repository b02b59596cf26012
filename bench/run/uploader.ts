// A plain client for the benches that upload from their own process: sends, and waits on the WebSocket until all is developed.
import type { Agent } from 'node:http'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiInitiated, ApiUploaded } from '../../src/api/uploads.ts'
import { postFiles, type Answer, type SentFile } from './multipart.ts'
import { watchFinals } from '../measure/watch-finals.ts'

export interface Uploader {
  /** By the endpoint that waits for the outcome. */
  sync(file: SentFile): Promise<ApiImage>
  /** One batch; resolves when all of it is developed. */
  batch(files: SentFile[]): Promise<void>
  /** One batch; resolves when it is acknowledged. `completed` waits for the rest. */
  initiate(files: SentFile[]): Promise<Omit<Answer, 'body'> & { images: ApiImage[] }>
  completed(images: { id: string }[]): Promise<void>
  close(): void
}

/** Every call rejects if something is refused or can't be developed. `progress` is told how many images were completed in all. */
export async function createUploader(url: string, agent: Agent, progress?: (completed: number) => void): Promise<Uploader> {
  const finals = await watchFinals(url, progress)
  const initiate: Uploader['initiate'] = async (files) => {
    const { body, ...answer } = await postFiles(agent, `${url}/api/async/batch/upload`, 'images', files)
    if (answer.status !== 202) throw new Error(`The batch was answered with ${answer.status}: ${JSON.stringify(body)}`)
    const { images, rejected } = body as ApiInitiated
    if (images.length !== files.length) throw new Error(`Of the batch was rejected: ${JSON.stringify(rejected)}`)
    return { ...answer, images }
  }
  const completed: Uploader['completed'] = (images) => finals.completed(images.map(({ id }) => id))
  return {
    async sync(file) {
      const { status, body } = await postFiles(agent, `${url}/api/upload`, 'image', [file])
      if (status !== 200) throw new Error(`An upload was answered with ${status}: ${JSON.stringify(body)}`)
      return (body as ApiUploaded).image
    },
    initiate,
    completed,
    batch: async (files) => completed((await initiate(files)).images),
    close: () => finals.close(),
  }
}
