// The least that taking files in safely can be: a server that writes each file of a multipart body to disk, syncs it, and answers.
import { Busboy, type BusboyFileStream, type BusboyHeaders } from '@fastify/busboy'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** To its parent, once it listens. */
export interface SyncedFilesReady {
  url: string
}

const WRITE_BYTES = 512 * 1024

const folder = process.argv[2]!
let names = 0

async function write(file: BusboyFileStream): Promise<void> {
  const handle = await open(join(folder, String(++names)), 'wx')
  try {
    let held: Buffer[] = []
    let heldBytes = 0
    const flush = async () => {
      const chunks = held
      held = []
      heldBytes = 0
      if (chunks.length > 0) await handle.writev(chunks)
    }
    for await (const chunk of file as AsyncIterable<Buffer>) {
      held.push(chunk)
      heldBytes += chunk.length
      if (heldBytes >= WRITE_BYTES) await flush()
    }
    await flush()
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const server = createServer((request, response) => {
  const parser = new Busboy({ headers: request.headers as BusboyHeaders })
  const writes: Promise<void>[] = []
  const fail = (error: unknown) => response.writeHead(500).end(JSON.stringify({ error: String(error) }))
  parser.on('file', (_field: string, file: BusboyFileStream) => writes.push(write(file)))
  parser.on('finish', () => {
    Promise.all(writes).then(() => response.writeHead(200).end(JSON.stringify({ files: writes.length })), fail)
  })
  parser.on('error', fail)
  request.pipe(parser)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.({ url: `http://127.0.0.1:${port}` } satisfies SyncedFilesReady)
})
process.once('disconnect', () => process.exit())
