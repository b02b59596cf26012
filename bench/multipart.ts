// The multipart bodies the bench sends, read from disk as they go, at as little CPU as can be: the client shares the machine.
import { open, stat } from 'node:fs/promises'
import { request, type Agent } from 'node:http'
import { basename } from 'node:path'
import { FORMATS, type Format } from '../src/image.ts'

export interface SentFile {
  path: string
  format: Format
}

export interface Answer {
  status: number
  /** Parsed JSON. */
  body: unknown
}

const BOUNDARY = 'calotype-bench-7d1f0c5a9e'
const CLOSING = Buffer.from(`--${BOUNDARY}--\r\n`)
const NEW_LINE = Buffer.from('\r\n')
/** One read and one write of this size move a typical photograph. */
const BUFFER_BYTES = 1024 * 1024

const partHead = (field: string, file: SentFile) =>
  Buffer.from(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"; filename="${encodeURIComponent(basename(file.path))}"\r\n` +
      `Content-Type: ${FORMATS[file.format].type}\r\n\r\n`,
  )

/** The body, a piece at a time in one buffer: each piece is only good until the next is asked for. */
async function* pieces(field: string, files: SentFile[]): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  let used = 0
  for (const file of files) {
    const head = partHead(field, file)
    if (used + head.length > buffer.length) {
      yield buffer.subarray(0, used)
      used = 0
    }
    used += head.copy(buffer, used)
    const handle = await open(file.path)
    try {
      for (;;) {
        if (used === buffer.length) {
          yield buffer
          used = 0
        }
        const { bytesRead } = await handle.read(buffer, used, buffer.length - used)
        if (bytesRead === 0) break
        used += bytesRead
      }
    } finally {
      await handle.close()
    }
    if (used + NEW_LINE.length > buffer.length) {
      yield buffer.subarray(0, used)
      used = 0
    }
    used += NEW_LINE.copy(buffer, used)
  }
  yield buffer.subarray(0, used)
  yield CLOSING
}

async function bodyBytes(field: string, files: SentFile[]): Promise<number> {
  let bytes = CLOSING.length
  for (const file of files) bytes += partHead(field, file).length + (await stat(file.path)).size + NEW_LINE.length
  return bytes
}

/** Posts files in one multipart request. Resolves with the answer, also one that comes before the body is all sent. */
export async function postFiles(agent: Agent, url: string, field: string, files: SentFile[]): Promise<Answer> {
  const sending = request(url, {
    method: 'POST',
    agent,
    headers: {
      'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
      'Content-Length': await bodyBytes(field, files),
    },
  })
  const answer = new Promise<Answer>((resolve, reject) => {
    sending.once('error', reject)
    sending.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.once('error', reject)
      response.once('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) })
        } catch (error) {
          reject(error)
        }
      })
    })
  })
  const write = (piece: Buffer) =>
    new Promise<void>((resolve, reject) => sending.write(piece, (error) => (error ? reject(error) : resolve())))
  const sent = (async () => {
    for await (const piece of pieces(field, files)) await write(piece)
    sending.end()
  })()
  // What the server says counts more than that it stopped listening to say it.
  sent.catch(() => {})
  return answer
}
