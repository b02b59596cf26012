// Malformed requests that carry files: the same seed gives the same bytes; and a socket that sends them as they are.
import { connect } from 'node:net'
import { BOUNDARY, END_OF_PARTS, MULTIPART, part } from '../clients/client.ts'
import { diceFrom, type Dice } from '../inputs/random.ts'

/** One connection's worth of bytes: usually a request, sometimes several. */
export interface HostileBody {
  name: string
  bytes: Buffer
}

const ANSWER_TIMEOUT_MS = 20_000
const CRLF = '\r\n'
const TRICKY = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'images[]',
  'images ',
  '',
  'a'.repeat(5_000),
  '\u202eimages',
  '0',
  'index',
]

type Mutation = (body: Buffer, dice: Dice, file: Buffer) => Buffer

const delimiter = Buffer.from(`--${BOUNDARY}`)

function delimiters(body: Buffer): number[] {
  const found: number[] = []
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + 1)) found.push(at)
  return found
}

const replace = (body: Buffer, at: number, length: number, by: Buffer | string) =>
  Buffer.concat([body.subarray(0, at), Buffer.from(by as Buffer), body.subarray(at + length)])

/** A line of a part's header instead of another, or beside it. */
function inHeader(body: Buffer, dice: Dice, line: string): Buffer {
  const places = delimiters(body)
  const at = body.indexOf(CRLF, dice.oneOf(places)) + 2
  return dice.chance(0.5) ? replace(body, at, 0, line + CRLF) : replace(body, at, body.indexOf(CRLF, at) - at, line)
}

const disposition = (field: string, fileName: string) => `content-disposition: form-data; name="${field}"; filename="${fileName}"`

const MUTATIONS: Record<string, Mutation> = {
  'boundary cut': (body, dice) => replace(body, dice.oneOf(delimiters(body)) + dice.below(delimiter.length), 1 + dice.below(5), ''),
  'boundary doubled': (body, dice) =>
    replace(body, dice.oneOf(delimiters(body)), 0, `--${BOUNDARY}${dice.oneOf(['', CRLF, `${CRLF}${CRLF}`])}`),
  'boundary missing': (body, dice) => replace(body, dice.oneOf(delimiters(body)), delimiter.length, ''),
  'boundary ends early': (body, dice) => replace(body, dice.oneOf(delimiters(body)) + delimiter.length, 0, '--'),
  'boundary with more': (body, dice) =>
    replace(body, dice.oneOf(delimiters(body)) + delimiter.length, 0, dice.oneOf([' ', '\t', 'x', '-', '\0'])),
  truncated: (body, dice) => body.subarray(0, dice.below(body.length)),
  flipped(body, dice) {
    const flipped: Buffer = Buffer.from(body)
    for (let times = 1 + dice.below(4); times > 0; times--) {
      const near = dice.oneOf(delimiters(body)) + dice.below(150)
      if (near < flipped.length) flipped[near]! ^= 1 << dice.below(8)
    }
    return flipped
  },
  'line ends': (body, dice) => {
    const at = body.indexOf(CRLF, dice.oneOf(delimiters(body)))
    return at < 0 ? body : replace(body, at, 2, dice.oneOf(['\n', '\r', '\n\r', '\r\r\n', '\0']))
  },
  'tricky names': (body, dice) => inHeader(body, dice, disposition(dice.oneOf(TRICKY), dice.oneOf(TRICKY))),
  'tricky header': (body, dice) => inHeader(body, dice, `${dice.oneOf(TRICKY)}: ${dice.oneOf(TRICKY)}`),
  'no colon': (body, dice) => inHeader(body, dice, dice.oneOf(['nonsense', ': empty', ' folded', '\t', '\0\0', 'a\rb: c'])),
  'odd disposition': (body, dice) =>
    inHeader(
      body,
      dice,
      `content-disposition: ${dice.oneOf(['attachment', 'form-data', 'form-data; name', 'form-data; name=', `form-data; name="images`, `form-data; name="images"; filename*=utf-8''%ff%00`, `form-data; filename="a"; filename="b"; name="images"; name="x"`, ';;;;', `form-data; name="images"; filename="\\"\\\\"`])}`,
    ),
  'odd type': (body, dice) =>
    inHeader(
      body,
      dice,
      `content-type: ${dice.oneOf(['multipart/mixed; boundary=x', ';', 'text/plain; charset=utf-99', 'application/octet-stream', 'x'.repeat(3_000)])}`,
    ),
  'odd encoding': (body, dice) =>
    inHeader(body, dice, `content-transfer-encoding: ${dice.oneOf(['base64', 'quoted-printable', '7bit', 'nonsense'])}`),
  'large header': (body, dice) => inHeader(body, dice, `x-large: ${'y'.repeat(dice.oneOf([1_000, 65_000, 65_536, 70_000, 200_000]))}`),
  'many headers': (body, dice) =>
    inHeader(body, dice, Array.from({ length: dice.oneOf([10, 1_999, 2_001, 4_000]) }, (_, i) => `x-${i}: y`).join(CRLF)),
  'many fields': (body, dice) =>
    Buffer.concat([...Array.from({ length: dice.oneOf([10, 999, 1_001]) }, (_, i) => part(dice.oneOf(TRICKY) + i, null, 'x')), body]),
  'field of a kind': (body, dice) => Buffer.concat([part(dice.oneOf(TRICKY), null, 'x'.repeat(dice.oneOf([0, 1, 65_536, 70_000]))), body]),
  nested: (body, _dice, file) =>
    Buffer.concat([part('images', 'nested', Buffer.concat([part('images', 'inner.jpg', file), END_OF_PARTS])), body]),
  preamble: (body, dice) =>
    Buffer.concat([Buffer.from(dice.oneOf(['preamble', CRLF, '--', `--${BOUNDARY.slice(0, 5)}\r\n`]).repeat(50)), body]),
  epilogue: (body, _dice, file) => Buffer.concat([body, part('images', 'late.jpg', file), END_OF_PARTS]),
  nothing: () => Buffer.alloc(0),
  'only the end': () => END_OF_PARTS,
}
const MUTATION_NAMES = Object.keys(MUTATIONS)

type Wrapping = (body: Buffer, dice: Dice) => Buffer

const request = (head: string[], body: Buffer, method = 'POST /api/async/upload HTTP/1.1') =>
  Buffer.concat([Buffer.from([method, 'host: localhost', ...head, '', ''].join(CRLF), 'latin1'), body])
const TYPE = `content-type: ${MULTIPART}`
const CLOSE = 'connection: close'
const length = (body: Buffer, more = 0) => `content-length: ${body.length + more}`

function chunked(body: Buffer, dice: Dice, size: (bytes: number) => string = (bytes) => bytes.toString(16)): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length;) {
    const piece = body.subarray(at, at + 1 + dice.below(20_000))
    pieces.push(Buffer.from(size(piece.length) + CRLF), piece, Buffer.from(CRLF))
    at += piece.length
  }
  return Buffer.concat([...pieces, Buffer.from(`0${CRLF}${CRLF}`)])
}

const GET = Buffer.from(`GET /healthz HTTP/1.1${CRLF}host: localhost${CRLF}connection: close${CRLF}${CRLF}`)

/** Ways to send a body that HTTP forbids, or that two readers may understand in two ways. */
export const WRAPPINGS: Record<string, Wrapping> = {
  'length and chunks': (body, dice) => request([TYPE, length(body), 'transfer-encoding: chunked', CLOSE], chunked(body, dice)),
  'chunks and length': (body, dice) => request([TYPE, 'transfer-encoding: chunked', 'content-length: 4', CLOSE], chunked(body, dice)),
  'two lengths': (body, dice) => request([TYPE, length(body), length(body, dice.oneOf([-1, 1, 100])), CLOSE], body),
  'lengths in a list': (body) => request([TYPE, `content-length: ${body.length}, ${body.length}`, CLOSE], body),
  'length with a sign': (body) => request([TYPE, `content-length: +${body.length}`, CLOSE], body),
  'negative length': (body) => request([TYPE, `content-length: -1`, CLOSE], body),
  'length too small': (body, dice) => request([TYPE, `content-length: ${dice.below(body.length + 1)}`, CLOSE], body),
  'folded header': (body) => request([`content-type:${CRLF} ${MULTIPART}`, length(body), CLOSE], body),
  'folded coding': (body, dice) => request([TYPE, `transfer-encoding:${CRLF} chunked`, CLOSE], chunked(body, dice)),
  'space before colon': (body, dice) => request([TYPE, 'transfer-encoding : chunked', length(body), CLOSE], chunked(body, dice)),
  'two codings': (body, dice) => request([TYPE, 'transfer-encoding: chunked', 'transfer-encoding: identity', CLOSE], chunked(body, dice)),
  'coding unknown': (body, dice) =>
    request(
      [TYPE, `transfer-encoding: ${dice.oneOf(['xchunked', 'chunked, gzip', 'chunked, chunked', '\x0bchunked'])}`, CLOSE],
      chunked(body, dice),
    ),
  'chunk size no number': (body, dice) =>
    request(
      [TYPE, 'transfer-encoding: chunked', CLOSE],
      chunked(body, dice, () => dice.oneOf(['zz', '-1', '0x10', '', ' 5', 'ffffffffffffffffff'])),
    ),
  'chunk size a lie': (body, dice) =>
    request(
      [TYPE, 'transfer-encoding: chunked', CLOSE],
      chunked(body, dice, (bytes) => (bytes + dice.oneOf([-1, 1])).toString(16)),
    ),
  'chunk extensions': (body, dice) =>
    request(
      [TYPE, 'transfer-encoding: chunked', CLOSE],
      chunked(body, dice, (bytes) => `${bytes.toString(16)};${'x'.repeat(dice.oneOf([1, 500, 20_000]))}`),
    ),
  'bare line feeds': (body) =>
    Buffer.from(
      request([TYPE, length(body), CLOSE], Buffer.alloc(0))
        .toString('latin1')
        .replaceAll(CRLF, '\n') + body.toString('latin1'),
      'latin1',
    ),
  'huge head': (body, dice) => request([TYPE, length(body), `x: ${'y'.repeat(dice.oneOf([16_000, 20_000, 100_000]))}`, CLOSE], body),
  'many heads': (body) => request([TYPE, length(body), ...Array.from({ length: 3_000 }, (_, i) => `x${i}:`), CLOSE], body),
  'no host': (body) =>
    Buffer.concat([Buffer.from([`POST /api/async/upload HTTP/1.1`, TYPE, length(body), CLOSE, '', ''].join(CRLF)), body]),
  'tricky heads': (body) => request([TYPE, length(body), '__proto__: x', 'constructor: y', 'idempotency-key: __proto__', CLOSE], body),
  'boundary of a kind': (body, dice) =>
    request(
      [
        `content-type: multipart/form-data; boundary=${dice.oneOf(['', '""', '"', 'x'.repeat(2_000), '__proto__', '"a;b"'])}`,
        length(body),
        CLOSE,
      ],
      body,
    ),
  pipelined: (body, dice) => {
    const once = request([TYPE, length(body)], body)
    return Buffer.concat([...Array<Buffer>(1 + dice.below(3)).fill(once), GET])
  },
  smuggled: (body) => {
    const hidden = Buffer.from(`0${CRLF}${CRLF}DELETE /api/images HTTP/1.1${CRLF}host: localhost${CRLF}${CRLF}`)
    return Buffer.concat([
      request([TYPE, length(hidden), 'transfer-encoding: chunked'], hidden),
      request([TYPE, length(body), CLOSE], body),
    ])
  },
}
const WRAPPING_NAMES = Object.keys(WRAPPINGS)

/** A whole form of one to three files, as a client would send it. */
export const wholeForm = (files: Buffer[]) =>
  Buffer.concat([...files.map((file, index) => part('images', `${index}.jpg`, file)), END_OF_PARTS])

export function hostileBodies(seed: number, files: Buffer[]): (index: number) => HostileBody {
  return (index) => {
    const dice = diceFrom(Math.imul(seed, 7_368_787) + index)
    const file = dice.oneOf(files)
    const form = wholeForm(files.slice(0, 1 + dice.below(files.length)))
    if (dice.chance(0.3)) {
      const wrapping = dice.oneOf(WRAPPING_NAMES)
      return { name: wrapping.replaceAll(' ', '-'), bytes: WRAPPINGS[wrapping]!(form, dice) }
    }
    let body: Buffer = form
    const done: string[] = []
    for (let times = dice.oneOf([1, 1, 2, 3]); times > 0 && delimiters(body).length > 0; times--) {
      const mutation = dice.oneOf(MUTATION_NAMES)
      done.push(mutation)
      body = MUTATIONS[mutation]!(body, dice, file)
    }
    const bytes = dice.chance(0.5)
      ? request([TYPE, length(body), CLOSE], body)
      : request([TYPE, 'transfer-encoding: chunked', CLOSE], chunked(body, dice))
    return { name: done.join('+').replaceAll(' ', '-'), bytes }
  }
}

export interface RawAnswer {
  status: number
  text: string
  json: { code?: string; error?: string; images?: { id: string }[] } | null
}

/**
 * Sends bytes to a server and closes its half; gives every answer that came until the server closed, or the time was up. What it did
 * not wait for is left unsent: a server that refuses may close first.
 */
export async function sendBody(url: string, { bytes }: Pick<HostileBody, 'bytes'>): Promise<{ answers: RawAnswer[]; closed: boolean }> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const received: Buffer[] = []
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const late = setTimeout(() => resolve(false), ANSWER_TIMEOUT_MS)
  socket.on('error', () => resolve(true))
  socket.on('data', (data) => received.push(data))
  socket.on('end', () => resolve(true)).on('close', () => resolve(true))
  // Its half stays open for a while: a server must not wait for it.
  socket.write(bytes, () => setTimeout(() => socket.end(), 3_000).unref())
  const closed = await promise
  clearTimeout(late)
  socket.destroy()
  return { answers: parseAnswers(Buffer.concat(received)), closed }
}

function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\r\n\r\n', at)
    const head = bytes.toString('latin1', at, end < 0 ? bytes.length : end)
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0)
    if (end < 0 || status === 0) return [...answers, { status, text: head, json: null }]
    const size = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN)
    const { text, next } = Number.isNaN(size)
      ? readChunks(bytes, end + 4)
      : { text: bytes.toString('utf8', end + 4, end + 4 + size), next: end + 4 + size }
    if (status !== 100) answers.push({ status, text, json: parseJson(text) })
    at = next
  }
  return answers
}

function readChunks(bytes: Buffer, from: number): { text: string; next: number } {
  const pieces: Buffer[] = []
  for (let at = from; ;) {
    const end = bytes.indexOf(CRLF, at)
    const size = end < 0 ? 0 : Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (!(size > 0)) return { text: Buffer.concat(pieces).toString(), next: end < 0 ? bytes.length : end + 4 }
    pieces.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 4 + size
  }
}

function parseJson(text: string): RawAnswer['json'] {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
