// A proxy before a server that lets everything through but WebSockets, as some networks have it.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Front extends AsyncDisposable {
  url: string
}

export async function frontWithoutSockets(server: { url: string }): Promise<Front> {
  const front = createServer((asked, answer) => {
    const passed = request(server.url + asked.url, { method: asked.method!, headers: asked.headers, agent: false }, (answered) => {
      answer.writeHead(answered.statusCode!, answered.headers)
      answered.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    asked.pipe(passed)
  })
  front.on('upgrade', (_request, socket) => socket.destroy())
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  return {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      front.closeAllConnections()
      front.close()
      await once(front, 'close')
    },
  }
}
