// The way from outside: what stands before the servers has to pass on large bodies, as they come, and WebSockets.
import { once } from 'node:events'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { reasonOf, type FindingCode, type Report } from '../flow/doctor/findings.ts'

const TIMEOUT_MS = 10_000
/** What the form adds to the file in it. */
const FORM_BYTES = 1_024

/** `base`: the address people use. */
export async function examineFront(base: string, maxFileBytes: number, report: Report): Promise<void> {
  const found = (code: FindingCode, what: string) => report({ code, what, about: base, mended: false })
  try {
    const answer = await fetch(new URL('/api/images?limit=1', base), { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!answer.ok || !Array.isArray(await answer.json())) {
      return found('front_unreachable', `${base} answers ${answer.status} to GET /api/images, and not as Calotype does.`)
    }
  } catch (error) {
    return found('front_unreachable', `${base} does not answer as Calotype does: ${reasonOf(error)}`)
  }
  await examineBodies(base, maxFileBytes + FORM_BYTES, found)
  await examineSocket(base, found)
}

type Found = (code: FindingCode, what: string) => void

/**
 * Says how much it would send, and waits to be told to go on. It is no form, so that Calotype refuses it by its code, having taken
 * nothing; whoever refuses it otherwise stands before Calotype.
 */
async function examineBodies(base: string, bytes: number, found: Found) {
  const url = new URL('/api/async/upload', base)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes, expect: '100-continue' }
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  const sending = send(url, { method: 'POST', headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) })
  sending.on('error', () => {})
  // What was asked for, and no more; Calotype has all it needs to refuse.
  sending.on('continue', () => sending.write('x'))
  sending.flushHeaders()
  try {
    const [answer] = (await once(sending, 'response')) as [IncomingMessage]
    const body = await text(answer)
    if (body.includes('"code":"not_multipart"')) return
    if (answer.statusCode === 413)
      found('front_limits_bodies', `${base} refuses bodies of MAX_FILE_BYTES with a 413 that is not Calotype's.`)
    else found('front_unreachable', `${base} answers ${answer.statusCode} to a body of MAX_FILE_BYTES: ${body.slice(0, 200)}`)
  } catch (error) {
    if ((error as Error).name !== 'AbortError') return found('front_unreachable', `${base} breaks off a large body: ${reasonOf(error)}`)
    found('front_holds_bodies', `${base} reads bodies whole before Calotype hears of them.`)
  } finally {
    sending.destroy()
  }
}

async function examineSocket(base: string, found: Found) {
  const url = new URL('/ws/upload/', base)
  url.protocol = url.protocol.replace('http', 'ws')
  const socket = new WebSocket(url)
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const timer = setTimeout(() => resolve('it is silent'), TIMEOUT_MS)
  socket.addEventListener('message', () => resolve(null))
  socket.addEventListener('error', () => resolve('it is refused'))
  socket.addEventListener('close', () => resolve('it is closed'))
  const why = await promise
  clearTimeout(timer)
  socket.close()
  if (why) found('front_stops_websockets', `${url.href} takes no WebSocket: ${why}.`)
}
