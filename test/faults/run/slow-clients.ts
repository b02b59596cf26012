// Clients as bad networks make them: bytes that trickle, end in the middle, are reset, or never come; and sockets that only listen.
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { END_OF_PARTS, MULTIPART, part, type SentFile } from '../../support/clients/client.ts'

type Address = { readonly url: string }

/** How a client ends: in order, or after so much of its body. */
export type Ending = 'whole' | 'aborted' | 'reset' | 'closed in half' | 'silent'

export interface SlowAnswer {
  /** 0 without an answer. */
  status: number
  body: { images?: { id: string; name: string }[]; code?: string } | null
  tookMs: number
}

const open = (server: Address): Promise<Socket> => {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true }, () => resolve(socket))
  socket.on('error', reject)
  return promise
}

/** Sends files at so many bytes a second, and ends as it is told to. Resolves when the connection is over. */
export async function sendSlowly(
  server: Address,
  files: SentFile[],
  { bytesPerSecond, ending, key }: { bytesPerSecond: number; ending: Ending; key?: string },
): Promise<SlowAnswer> {
  const startedAt = performance.now()
  const socket = await open(server)
  let answer = ''
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()).on('end', () => resolve()))
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  const body = Buffer.concat([...files.map(({ name, bytes }) => part('images', name, bytes)), END_OF_PARTS])
  const keyed = key === undefined ? '' : `idempotency-key: ${key}\r\n`
  socket.write(
    `POST /api/async/upload HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${keyed}content-type: ${MULTIPART}\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  const upTo = ending === 'whole' ? body.length : Math.floor(body.length * 0.6)
  const pieceMs = 200
  const piece = Math.ceil((bytesPerSecond * pieceMs) / 1000)
  for (let at = 0; at < upTo && !socket.destroyed; at += piece) {
    socket.write(body.subarray(at, Math.min(upTo, at + piece)))
    await wait(pieceMs)
  }
  if (ending === 'aborted') socket.destroy()
  if (ending === 'reset') socket.resetAndDestroy()
  if (ending === 'closed in half') socket.end()
  await closed
  socket.destroy()
  const [head = '', ...rest] = answer.split('\r\n\r\n')
  const text = rest.join('')
  const json = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0),
    body: json ? JSON.parse(json) : null,
    tookMs: performance.now() - startedAt,
  }
}

/** Sends a request line and a header, and nothing more. Resolves, with the status, once the server has had enough. */
export async function sendHalfAHeader(server: Address): Promise<number> {
  const socket = await open(server)
  let answer = ''
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()).on('end', () => resolve()))
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.write('GET /api/list HTTP/1.1\r\nhost: localhost\r\nx-never: end')
  await closed
  socket.destroy()
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0)
}

export interface Listeners extends Disposable {
  /** Sockets that are open and were greeted. */
  greeted(): number
  /** Of them, those that have heard so many messages since. */
  heard(text: string): number
}

/** So many watchers of the live feed that never say a word. */
export async function listen(server: Address, count: number, atOnce = 100): Promise<Listeners> {
  const sockets: { socket: Socket; said: string }[] = []
  const add = async () => {
    const socket = await open(server)
    const one = { socket, said: '' }
    sockets.push(one)
    socket.setEncoding('latin1').on('data', (text: string) => (one.said += text))
    const greeted = new Promise<void>((resolve) => socket.on('data', () => one.said.includes('You are connected!') && resolve()))
    socket.write(
      `GET /ws/upload/ HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    )
    await greeted
  }
  for (let at = 0; at < count; at += atOnce) await Promise.all(Array.from({ length: Math.min(atOnce, count - at) }, add))
  return {
    greeted: () =>
      sockets.filter(({ socket, said }) => !socket.destroyed && !socket.readableEnded && said.includes('You are connected!')).length,
    heard: (text) => sockets.filter(({ said }) => said.includes(text)).length,
    [Symbol.dispose]: () => sockets.forEach(({ socket }) => socket.destroy()),
  }
}
