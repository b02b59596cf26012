// What an open connection may see follows the account while it is open: role, disabling, revocation, on every server.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import WebSocket from 'ws'
import type { ApiEvents, ApiNotification } from '../../../src/api/events.ts'
import { letIn, makeKey, send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { ask, eventually } from '../../support/clients/client.ts'
import { photograph } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

/** Changes made in the same process are followed at once. */
const FOLLOWED_WITHIN_MS = 1_000
/** Behind nginx they are spread over both servers. */
const SOCKETS = 4

interface Listening extends Disposable {
  /** Names of the images that it was told about. */
  names(): string[]
  resyncs(): number
  closed: Promise<number>
}

onEachTopology({ AUTH: 'required', LOG_LEVEL: 'warn' }, (calotype) => {
  let root: SignedIn
  let eve: SignedIn

  async function listen(headers: Record<string, string>, since?: string): Promise<Listening> {
    const query = since === undefined ? '' : `?since=${since}`
    const socket = new WebSocket(`${calotype.url.replace('http', 'ws')}/ws/upload/${query}`, { headers })
    const heard: (ApiNotification | { type: 'resync' })[] = []
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString())
      if (message.type !== undefined) heard.push(message)
    })
    const closed = once(socket, 'close').then(([code]) => code as number)
    await once(socket, 'message', { signal: AbortSignal.timeout(30_000) })
    return {
      names: () => heard.flatMap((message) => (message.type === 'resync' ? [] : [message.name])),
      resyncs: () => heard.filter(({ type }) => type === 'resync').length,
      closed,
      [Symbol.dispose]: () => socket.terminate(),
    }
  }
  const listenMany = (headers: Record<string, string>) => Promise.all(Array.from({ length: SOCKETS }, () => listen(headers)))

  async function upload(by: SignedIn, names: string[], bytes?: Buffer): Promise<void> {
    const body = new FormData()
    const image = bytes ?? (await photograph({ seed: 7, megapixels: 0.02, format: 'jpeg' }))
    for (const name of names) body.append('images', new Blob([new Uint8Array(image)]), name)
    const { status, text } = await ask(calotype, '/api/async/upload', { method: 'POST', headers: by.headers, body })
    assert.equal(status, 202, text)
  }

  const setRole = async (user: SignedIn, role: 'admin' | 'member') => {
    const { status, text } = await send(calotype, 'PATCH', `/api/admin/users/${user.id}`, { role }, root.headers)
    assert.equal(status, 200, text)
  }
  const heardBy = (sockets: Listening[], name: string) =>
    eventually(`every socket hears of ${name}`, async () => sockets.every((socket) => socket.names().includes(name)))

  before(async () => {
    root = await setUp({ url: calotype.url, output: () => calotype.log() })
    eve = await letIn(calotype, root, 'eve@example.org')
  })

  test('the sockets of a demoted administrator hear only of their own images, and are told to read again', async () => {
    const boss = await letIn(calotype, root, 'boss@example.org', 'admin')
    const key = await makeKey(calotype, boss, ['read', 'admin'])
    const since = (await ask<ApiEvents>(calotype, '/api/events', { headers: boss.headers })).body.last
    const sockets = [...(await listenMany(boss.headers)), ...(await listenMany(key.headers))]
    using ofRoot = await listen(root.headers)
    await upload(eve, ['while boss.jpg'])
    await heardBy(sockets, 'while boss.jpg')

    await setRole(boss, 'member')
    await eventually('told to read again', async () => sockets.every((socket) => socket.resyncs() > 0))
    await upload(eve, ['after boss.jpg'])
    await upload(boss, ['of boss.jpg'])
    await heardBy([...sockets, ofRoot], 'of boss.jpg')
    await heardBy([ofRoot], 'after boss.jpg')
    const heard = sockets.filter((socket) => socket.names().includes('after boss.jpg')).length
    assert.equal(heard, 0, `${heard} of ${sockets.length} sockets of a demoted administrator hear of others' images`)
    assert.deepEqual(
      sockets.map((socket) => socket.resyncs()),
      sockets.map(() => 1),
    )
    assert.equal(ofRoot.resyncs(), 0)
    // One that comes back is told no more of what it missed.
    using back = await listen(boss.headers, since)
    await heardBy([back], 'of boss.jpg')
    assert.deepEqual([...new Set(back.names())], ['of boss.jpg'])
    for (const socket of sockets) socket[Symbol.dispose]()
  })

  test('the sockets of a promoted member hear of everyone', async () => {
    const mia = await letIn(calotype, root, 'mia@example.org')
    const sockets = await listenMany(mia.headers)
    await setRole(mia, 'admin')
    await eventually('told to read again', async () => sockets.every((socket) => socket.resyncs() === 1))
    await upload(eve, ['for mia.jpg'])
    await heardBy(sockets, 'for mia.jpg')
    for (const socket of sockets) socket[Symbol.dispose]()
  })

  test('the sockets of a disabled user are closed on every server', async () => {
    const dan = await letIn(calotype, root, 'dan@example.org')
    const key = await makeKey(calotype, dan, ['read'])
    const sockets = [...(await listenMany(dan.headers)), ...(await listenMany(key.headers))]
    await send(calotype, 'PATCH', `/api/admin/users/${dan.id}`, { disabled: true }, root.headers)
    assert.deepEqual(new Set(await Promise.all(sockets.map(({ closed }) => closed))), new Set([4401]))
  })

  // nginx reads ahead into a file of its own: what it has by then is gone.
  if (calotype.topology === 'embedded')
    describe('a download that is under way', () => {
      const MAX_READ_AHEAD_BYTES = 16_000_000
      async function beginArchive(headers: Record<string, string>): Promise<IncomingMessage> {
        const asking = request(`${calotype.url}/api/images/archive?q=large`, { headers, agent: false }).end()
        const [response] = (await once(asking, 'response')) as [IncomingMessage]
        assert.equal(response.statusCode, 200)
        return response.pause()
      }
      async function readToEnd(response: IncomingMessage): Promise<'whole' | 'broken'> {
        try {
          for await (const _ of response);
          return 'whole'
        } catch {
          return 'broken'
        }
      }

      before(async () => {
        const bytes = await photograph({ seed: 3, megapixels: 4, format: 'png' })
        const count = Math.ceil((2 * MAX_READ_AHEAD_BYTES) / bytes.length)
        await upload(
          eve,
          Array.from({ length: count }, (_, i) => `large ${i}.png`),
          bytes,
        )
      })

      test('of a demoted administrator or with a revoked key it breaks; of who may still read it goes on', async () => {
        const chief = await letIn(calotype, root, 'chief@example.org', 'admin')
        const key = await makeKey(calotype, eve, ['read'])
        const [ofChief, ofKey, ofEve] = [
          await beginArchive(chief.headers),
          await beginArchive(key.headers),
          await beginArchive(eve.headers),
        ]
        await setRole(chief, 'member')
        await send(calotype, 'DELETE', `/api/keys/${key.id}`, undefined, eve.headers)
        await wait(FOLLOWED_WITHIN_MS)
        assert.deepEqual(
          { demoted: await readToEnd(ofChief), revoked: await readToEnd(ofKey), owner: await readToEnd(ofEve) },
          { demoted: 'broken', revoked: 'broken', owner: 'whole' },
        )
      })
    })
})
