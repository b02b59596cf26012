// The multipart bodies the bench sends, read from disk as they go, at as little CPU as can be: the client shares the machine.
import { open, stat } from 'node:fs/promises'
import { request, type Agent } from 'node:http'
import { basename } from 'node:path'
import { FORMATS, type Format } from '../../src/image.ts'

export interface SentFile {
  path: string
  format: Format
  /** Makes it another file with the same pixels: written behind its end, as a box of AVIF that decoders of every format pass over. */
  tag?: string
}

export interface Answer {
  status: number
  /** Parsed JSON. */
  body: unknown
  /** By `performance.now()`: when the request began, when its last byte was with the system, when the answer was there. */
  startedAt: number
  sentAt: number
  answeredAt: number
}

const BOUNDARY = 'calotype-bench-7d1f0c5a9e'
const CLOSING = Buffer.from(`--${BOUNDARY}--\r\n`)
const NEW_LINE = Buffer.from('\r\n')
/** One read and one write of this size move a typical photograph; many requests at once share what 64 of them take. */
const MOST_BUFFER_BYTES = 1024 * 1024
const LEAST_BUFFER_BYTES = 64 * 1024
const bufferBytes = ({ maxSockets }: Agent) =>
  maxSockets === Infinity
    ? MOST_BUFFER_BYTES
    : Math.max(LEAST_BUFFER_BYTES, Math.min(MOST_BUFFER_BYTES, Math.floor((64 * MOST_BUFFER_BYTES) / maxSockets)))

const partHead = (field: string, file: SentFile) =>
  Buffer.from(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${field}"; filename="${encodeURIComponent(basename(file.path))}"\r\n` +
      `Content-Type: ${FORMATS[file.format].type}\r\n\r\n`,
  )

/** A `free` box (ISO/IEC 14496-12, 8.1.2) with the tag in it. */
function tagBox(tag: string): Buffer {
  const box = Buffer.from(`\0\0\0\0free${tag}`)
  box.writeUInt32BE(box.length)
  return box
}

const partEnd = ({ tag }: SentFile) => (tag === undefined ? NEW_LINE : Buffer.concat([tagBox(tag), NEW_LINE]))

/** The body, a piece at a time in one buffer: each piece is only good until the next is asked for. */
async function* pieces(field: string, files: SentFile[], pieceBytes: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceBytes)
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
    const end = partEnd(file)
    if (used + end.length > buffer.length) {
      yield buffer.subarray(0, used)
      used = 0
    }
    used += end.copy(buffer, used)
  }
  yield buffer.subarray(0, used)
  yield CLOSING
}

async function bodyBytes(field: string, files: SentFile[]): Promise<number> {
  let bytes = CLOSING.length
  for (const file of files) bytes += partHead(field, file).length + (await stat(file.path)).size + partEnd(file).length
  return bytes
}

/** Posts files in one multipart request. Resolves with the answer, also one that comes before the body is all sent. */
export async function postFiles(agent: Agent, url: string, field: string, files: SentFile[]): Promise<Answer> {
  const headers = {
    'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
    'Content-Length': await bodyBytes(field, files),
  }
  const startedAt = performance.now()
  let sentAt: number | undefined
  const sending = request(url, { method: 'POST', agent, headers })
  sending.once('finish', () => (sentAt = performance.now()))
  const answer = new Promise<Answer>((resolve, reject) => {
    sending.once('error', reject)
    sending.once('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.once('error', reject)
      response.once('end', () => {
        try {
          const answeredAt = performance.now()
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text), startedAt, sentAt: sentAt ?? answeredAt, answeredAt })
        } catch (error) {
          reject(error)
        }
      })
    })
  })
  const write = (piece: Buffer) =>
    new Promise<void>((resolve, reject) => sending.write(piece, (error) => (error ? reject(error) : resolve())))
  const sent = (async () => {
    for await (const piece of pieces(field, files, bufferBytes(agent))) await write(piece)
    sending.end()
  })()
  // What the server says counts more than that it stopped listening to say it.
  sent.catch(() => {})
  return answer
}
