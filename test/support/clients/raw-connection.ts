// A client that writes bytes as they are on one connection, and reads only when it is told to.
import { connect } from 'node:net'
import { eventually } from './client.ts'

const MAX_TEXT = 16_000_000
const STATUS_LINE_BYTES = 'HTTP/1.1 200 '.length - 1

export interface RawConnection extends Disposable {
  write(bytes: string | Uint8Array): void
  /** From now on, what comes is read. */
  read(): void
  /** What was read so far, up to 16 MB. */
  text(): string
  /** The statuses of all answers read so far, interim ones (1xx) included. */
  statuses(): number[]
  /** Whether the peer ended or reset the connection. A connection that is not read may not notice. */
  isOver(): boolean
  untilOver(timeoutMs: number): Promise<void>
  /** Ends the connection as a client that has left does. */
  leave(): void
}

/** `reads: false` leaves everything that comes to the kernel until `read` is called. */
export async function openRaw(server: { readonly url: string }, { reads = true } = {}): Promise<RawConnection> {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port) })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let text = ''
  let carried = ''
  const statuses: number[] = []
  let isOver = false
  const end = () => void (isOver = true)
  socket.on('error', end).on('close', end).on('end', end)
  const hear = (data: Buffer) => {
    const piece = data.toString('latin1')
    if (text.length < MAX_TEXT) text += piece
    const searched = carried + piece
    let end = 0
    for (const found of searched.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      statuses.push(Number(found[1]))
      end = found.index + found[0].length
    }
    carried = searched.slice(Math.max(end, searched.length - STATUS_LINE_BYTES))
  }
  const read = () => void socket.on('data', hear).resume()
  if (reads) read()
  else socket.pause()
  return {
    write: (bytes) => void socket.write(bytes),
    read,
    text: () => text,
    statuses: () => [...statuses],
    isOver: () => isOver,
    untilOver: async (timeoutMs) => void (await eventually('the connection is over', async () => isOver, timeoutMs)),
    leave: () => void socket.destroy(),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

export const get = (path: string, ...headers: string[]) => `GET ${path} HTTP/1.1\r\n${['host: localhost', ...headers].join('\r\n')}\r\n\r\n`
