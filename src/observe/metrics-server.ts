// Serves the metrics on a port of their own, so that nobody who reaches the API reaches them.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createListener } from '../connections/create-listener.ts'
import type { CalotypeError } from '../errors.ts'
import type { Metrics } from './prometheus.ts'

export interface MetricsServer {
  /** Rejects with the error of the socket. */
  listen(host: string, port: number): Promise<{ url: string }>
  close(): Promise<void>
}

const MAX_CONNECTIONS = 32

function answerOf({ code, message }: CalotypeError): string {
  const status = code === 'upload_timeout' ? 408 : 400
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n${message}\n`
}

/** `GET /metrics`, and nothing else. */
export function createMetricsServer(metrics: Pick<Metrics, 'render'>): MetricsServer {
  async function answer({ method, url }: IncomingMessage, response: ServerResponse) {
    const isAsked = url?.split('?', 1)[0] === '/metrics'
    if (!isAsked || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(isAsked ? 405 : 404, { 'content-type': 'text/plain; charset=utf-8', ...(isAsked && { allow: 'GET, HEAD' }) })
      return response.end('The metrics are at GET /metrics.\n')
    }
    try {
      const { type, text } = await metrics.render()
      response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(`${(error as Error).message}\n`)
    }
  }
  const server = createListener((request, response) => void answer(request, response), { answerOf })
  server.maxConnections = MAX_CONNECTIONS

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject).listen(port, host, () => {
          server.off('error', reject)
          const { address, family, port: bound } = server.address() as AddressInfo
          resolve({ url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}` })
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
