// Declared batches as a client has them: declared, their files sent in bundles, their ledger checked whenever it is read.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiBatch, ApiBatchFile, ApiDeclared, ApiFileToDeclare } from '../../../src/api/batches.ts'
import type { ApiInitiated } from '../../../src/api/uploads.ts'
import { FILE_STATUSES, type FileStatus } from '../../../src/image.ts'
import { type Answer, ask, END_OF_PARTS, eventually, part, post, type Uploaded } from './client.ts'

type Address = { readonly url: string }

export interface DeclaredFile {
  index: number
  name: string
  bytes: Buffer
}

const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** What is declared of a file, with its hash. */
export const described = ({ name, bytes }: { name: string; bytes: Buffer }): ApiFileToDeclare => ({
  name,
  size: bytes.length,
  sha256: sha256Of(bytes),
})

/** `POST /api/batches`, whatever it answers. */
export const postDeclaration = (server: Address, body: unknown, headers: Record<string, string> = {}) =>
  ask<ApiDeclared & { code: string; error: string }>(server, '/api/batches', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

export async function declare(server: Address, files: ApiFileToDeclare[]): Promise<ApiDeclared> {
  const { status, headers, body, text } = await postDeclaration(server, { files })
  assert.equal(status, 201, text)
  assert.equal(headers.location, `/api/batches/${body.id}`)
  assert.deepEqual([body.declared, body.files.length], [files.length, files.length])
  return body
}

/** The parts of an upload: an index, and its file. */
export const partsOf = (files: { index?: number | string; name: string; bytes: Buffer }[]) =>
  files.flatMap(({ index, name, bytes }) => [
    ...(index === undefined ? [] : [part('index', null, String(index))]),
    part('images', name, bytes),
  ])

export const pathOf = (batchId: string) => `/api/async/batch/upload?batch=${batchId}`

/** Sends files to their batch in one request. */
export const sendFiles = (server: Address, batchId: string, files: Parameters<typeof partsOf>[0]): Promise<Answer<Uploaded>> =>
  post(server, { path: pathOf(batchId), body: Buffer.concat([...partsOf(files), END_OF_PARTS]) })

/** In bundles, so many in flight. All have to be taken. */
export async function sendBundles(
  server: Address,
  batchId: string,
  files: DeclaredFile[],
  size = 100,
  atOnce = 3,
): Promise<ApiInitiated[]> {
  const answers: ApiInitiated[] = []
  const bundles = Array.from({ length: Math.ceil(files.length / size) }, (_, at) => files.slice(at * size, (at + 1) * size))
  const send = async () => {
    for (let bundle = bundles.shift(); bundle; bundle = bundles.shift()) {
      const { status, body, text } = await sendFiles(server, batchId, bundle)
      assert.equal(status, 202, text)
      assert.deepEqual(body.rejected, [])
      assert.equal(body.images.length, bundle.length)
      answers.push(body)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, send))
  return answers
}

/** The batch; its counts must add up. */
export async function ledgerOf(server: Address, id: string): Promise<ApiBatch> {
  const { status, body, text } = await ask<ApiBatch>(server, `/api/batches/${id}`)
  assert.equal(status, 200, text)
  return addsUp(body)
}

export function addsUp(batch: ApiBatch): ApiBatch {
  const sum = FILE_STATUSES.reduce((total, status) => total + batch[status], 0)
  assert.equal(sum, batch.declared, JSON.stringify(batch))
  return batch
}

/** The counts that are not zero. */
export const countsOf = (batch: ApiBatch): Partial<Record<FileStatus, number>> =>
  Object.fromEntries(FILE_STATUSES.flatMap((status) => (batch[status] > 0 ? [[status, batch[status]]] : [])))

export const finished = (server: Address, id: string, timeoutMs = 60_000) =>
  eventually(
    'the batch is finished',
    async () => {
      const batch = await ledgerOf(server, id)
      return batch.finished_at === null ? false : batch
    },
    timeoutMs,
  )

/** Reads the ledger again and again until ended; then says how often. Rejects if once it did not add up. */
export function watchLedger(server: Address, id: string): { end(): Promise<number> } {
  let watching = true
  const watched = (async () => {
    let looked = 0
    for (; watching; looked++) {
      await ledgerOf(server, id)
      await wait(10)
    }
    return looked
  })()
  watched.catch(() => {})
  return {
    end() {
      watching = false
      return watched
    },
  }
}

/** All pages of the files in one state. */
export async function filesOf(server: Address, id: string, status: FileStatus | 'all', limit = 1_000): Promise<ApiBatchFile[]> {
  const files: ApiBatchFile[] = []
  for (let path: string | undefined = `/api/batches/${id}?status=${status}&limit=${limit}`; path !== undefined;) {
    const answer: Answer<ApiBatchFile[]> = await ask(server, path)
    assert.equal(answer.status, 200, answer.text)
    files.push(...answer.body)
    path = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
  }
  return files
}

export const act = (server: Address, id: string, action: 'cancel' | 'retry') =>
  ask<ApiBatch & { code: string }>(server, `/api/batches/${id}/${action}`, { method: 'POST' })
