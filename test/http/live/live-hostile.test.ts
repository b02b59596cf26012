// Watchers that break the WebSocket protocol, or say what nobody asked for: closed with the right code or not heard, others unaffected.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { eventually, upload, watch } from '../../support/clients/client.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const MOST_GROWTH_MB = 40
const MASK = Buffer.from([1, 2, 3, 4])

let server: Server
let seed = 0
before(async () => {
  server = await startServer()
})
after(() => server?.stop())

/** A frame (RFC 6455, 5.2), masked as a client's must be. */
function frame(
  opcode: number,
  payload: Buffer = Buffer.alloc(0),
  { fin = true, masked = true, reserved = 0, claims = payload.length } = {},
): Buffer {
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode
  const bit = masked ? 0x80 : 0
  let head: Buffer
  if (claims < 126) head = Buffer.from([first, bit | claims])
  else if (claims < 65_536) head = Buffer.from([first, bit | 126, claims >> 8, claims & 0xff])
  else {
    head = Buffer.alloc(10)
    head.set([first, bit | 127])
    head.writeBigUInt64BE(BigInt(claims), 2)
  }
  return masked ? Buffer.concat([head, MASK, payload.map((byte, at) => byte ^ MASK[at % 4]!)]) : Buffer.concat([head, payload])
}
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10]

/** A connection that was upgraded; what comes after that is kept, until it is closed. */
async function upgraded(): Promise<{ socket: Socket; received(): Buffer; closed: Promise<void> }> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(
    'GET /ws/upload/ HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  let received: Buffer = Buffer.alloc(0)
  socket.on('data', (data: Buffer) => (received = Buffer.concat([received, data])))
  await eventually('it is greeted', async () => received.includes('You are connected!'))
  return { socket, received: () => received, closed }
}

/** The code of the close frame that the server sent, which is the last thing it sends; none if it sent none. */
function closeCode(received: Buffer): number | undefined {
  for (let at = received.length - 4; at >= 0; at--) {
    if (received[at] === 0x88 && received[at + 1]! === received.length - at - 2) return received.readUInt16BE(at + 2)
  }
  return undefined
}

/** Somebody else watches all the while, and hears of an image afterwards. */
async function othersAreUnaffected(): Promise<void> {
  using other = await watch(server)
  const { status, body, text } = await upload(server, 'sync', [{ name: 'a.jpg', bytes: await smallPhotograph({ seed: seed++ }) }])
  assert.equal(status, 200, text)
  await eventually('the other watcher hears of it', async () =>
    other.messages.some(({ id, status: said }) => id === body.image.id && said === 'completed'),
  )
}

describe('closed with a code', () => {
  const closing: [what: string, code: number, frames: Buffer[]][] = [
    ['a message of 5,000 bytes', 1009, [frame(TEXT, Buffer.alloc(5_000, 'x'))]],
    ['a message that claims 8 GB', 1009, [frame(TEXT, Buffer.alloc(10), { claims: 2 ** 33 })]],
    ['a message that claims 2^62 bytes', 1009, [frame(TEXT, Buffer.alloc(10), { claims: 2 ** 62 })]],
    [
      'fragments without end',
      1009,
      [
        frame(TEXT, Buffer.alloc(100, 'x'), { fin: false }),
        ...Array<Buffer>(1_000).fill(frame(CONTINUATION, Buffer.alloc(100, 'x'), { fin: false })),
      ],
    ],
    ['text that is no UTF-8', 1007, [frame(TEXT, Buffer.from([0xc3, 0x28, 0xff, 0xfe]))]],
    ['a fragment that continues nothing', 1002, [frame(CONTINUATION, Buffer.from('x'))]],
    ['a message within a message', 1002, [frame(TEXT, Buffer.from('a'), { fin: false }), frame(TEXT, Buffer.from('b'))]],
    ['a frame without a mask', 1002, [frame(TEXT, Buffer.from('{}'), { masked: false })]],
    ['reserved bits', 1002, [frame(TEXT, Buffer.from('{}'), { reserved: 7 })]],
    ['an unknown opcode', 1002, [frame(3, Buffer.from('{}'))]],
    ['a ping in fragments', 1002, [frame(PING, Buffer.from('x'), { fin: false })]],
    ['a ping of 126 bytes', 1002, [frame(PING, Buffer.alloc(126))]],
    ['a close of one byte', 1002, [frame(CLOSE, Buffer.from([3]))]],
    ['a close with a code that nobody may send', 1002, [frame(CLOSE, Buffer.from([3, 0xee]))]],
    ['a close whose reason is no UTF-8', 1007, [frame(CLOSE, Buffer.from([3, 0xe8, 0xff, 0xff]))]],
  ]
  for (const [what, code, frames] of closing) {
    test(what, async () => {
      const { socket, received, closed } = await upgraded()
      socket.write(Buffer.concat(frames))
      await eventually('a close frame came', async () => closeCode(received()) !== undefined)
      assert.equal(closeCode(received()), code)
      socket.end()
      await closed
      await othersAreUnaffected()
    })
  }

  test('an orderly close is answered in kind', async () => {
    const { socket, received, closed } = await upgraded()
    socket.write(frame(CLOSE, Buffer.from([3, 0xe8])))
    await closed
    assert.equal(closeCode(received()), 1000)
  })
})

describe('not heard', () => {
  const unheard: [what: string, frames: Buffer[]][] = [
    [
      'JSON of any shape',
      [
        '{}',
        '[]',
        'null',
        '{"__proto__":{"x":1}}',
        '{"type":"send_upload_notification"}',
        '[[[[[[',
        '"\\u0000"',
        '1e999',
        '{"since":{}}',
      ].map((text) => frame(TEXT, Buffer.from(text))),
    ],
    ['bytes', [frame(BINARY, Buffer.alloc(4_000, 0xff))]],
    ['10,000 tiny messages', Array<Buffer>(10_000).fill(frame(TEXT, Buffer.from('x')))],
    [
      '10,000 empty fragments of one message',
      [frame(TEXT, Buffer.alloc(0), { fin: false }), ...Array<Buffer>(10_000).fill(frame(CONTINUATION, Buffer.alloc(0), { fin: false }))],
    ],
    ['pongs that nobody asked for', Array<Buffer>(1_000).fill(frame(PONG, Buffer.from('x')))],
  ]
  for (const [what, frames] of unheard) {
    test(what, async () => {
      const { socket, received } = await upgraded()
      const before = received().length
      socket.write(Buffer.concat(frames))
      await wait(200)
      assert.equal(received().length, before, 'it says nothing')
      await othersAreUnaffected()
      assert.ok(received().length > before, 'it still hears what all hear')
      socket.destroy()
    })
  }
})

test('a ping is answered with what it carries', async () => {
  const { socket, received } = await upgraded()
  socket.write(frame(PING, Buffer.from('are you there')))
  await eventually('a pong came', async () => received().includes(Buffer.from('\x8a\x0dare you there', 'latin1')))
  socket.destroy()
})

test('a flood of pings whose pongs nobody reads is cut off: memory stays flat', { timeout: 120_000 }, async (t) => {
  const idleMb = server.rssMb(server.pid)
  const sockets: Socket[] = []
  const flood = Buffer.concat(Array<Buffer>(4_000).fill(frame(PING, Buffer.alloc(125, 'p'))))
  for (let number = 0; number < 4; number++) {
    const { socket } = await upgraded()
    socket.pause()
    socket.on('error', () => socket.destroy())
    sockets.push(socket)
    // 60 MB of pings, and as much in pongs.
    for (let times = 0; times < 120 && !socket.destroyed; times++) {
      if (!socket.write(flood)) await Promise.race([once(socket, 'drain').catch(() => undefined), wait(2_000)])
    }
  }
  const grownMb = server.rssMb(server.pid) - idleMb
  t.diagnostic(`the server grew by ${grownMb.toFixed(0)} MB`)
  assert.ok(grownMb <= MOST_GROWTH_MB, `${grownMb} MB`)
  await othersAreUnaffected()
  assert.ok(sockets.every(({ destroyed }) => destroyed))
})
