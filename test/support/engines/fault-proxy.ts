// A proxy in front of an S3 server that does to chosen requests what networks and overloaded servers do.
import { once } from 'node:events'
import { createServer, request as send, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export type Fault =
  /** Answers itself, as S3 does. */
  | { status: number; code: string }
  /** Answers itself, as S3 never does. */
  | { status: number; html: string }
  /** Lets the server work, then breaks the connection instead of answering. */
  | 'lose the answer'
  /** Never answers. */
  | 'hang'
  /** Sends the head of the answer and so much of its body, then breaks the connection or falls silent. */
  | { cutBodyAfter: number }
  | { stallBodyAfter: number }
  /** Flips a bit of the body, of the request or of the answer. */
  | 'damage the request'
  | 'damage the answer'

export interface Seen {
  method: string
  /** With its query. */
  url: string
  headers: IncomingHttpHeaders
  /** Bytes. */
  bodyLength: number
}

export interface FaultProxy {
  url: string
  /** Every request so far; empty it at will. */
  seen: Seen[]
  /** The most requests that were under way at once. */
  mostAtOnce: number
  /** What to do to a request: nothing by default. */
  fault: (request: Seen) => Fault | null
  stop(): Promise<void>
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  let atOnce = 0
  const server = createServer((request, response) => {
    proxy.mostAtOnce = Math.max(proxy.mostAtOnce, ++atOnce)
    response.on('close', () => atOnce--)
    handle(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  async function handle(request: IncomingMessage, response: ServerResponse) {
    const body = await buffer(request)
    const seen = { method: request.method!, url: request.url!, headers: request.headers, bodyLength: body.length }
    proxy.seen.push(seen)
    const fault = proxy.fault(seen)
    if (fault === 'hang') return
    if (fault && typeof fault === 'object' && 'status' in fault) {
      const xml =
        'code' in fault ? `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>As asked.</Message></Error>` : fault.html
      response.writeHead(fault.status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(xml) }).end(xml)
      return
    }
    if (fault === 'damage the request') flipBit(body)

    const { method, url, headers } = request
    const asking = send(new URL(url!, target), { method: method!, headers, agent: false })
    asking.end(body)
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    const bytes = await buffer(answer)
    if (fault === 'lose the answer') return response.destroy()
    if (fault === 'damage the answer') flipBit(bytes)
    response.writeHead(answer.statusCode!, answer.headers)
    if (fault && typeof fault === 'object') {
      const cut = 'cutBodyAfter' in fault ? fault.cutBodyAfter : 'stallBodyAfter' in fault ? fault.stallBodyAfter : 0
      response.write(bytes.subarray(0, cut), () => {
        if ('cutBodyAfter' in fault) response.destroy()
      })
      return
    }
    response.end(bytes)
  }

  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    mostAtOnce: 0,
    fault: () => null,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return proxy
}

function flipBit(bytes: Buffer) {
  bytes[bytes.length >> 1]! ^= 1
}
