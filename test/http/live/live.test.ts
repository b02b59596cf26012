// Watchers of the live feed over real sockets: greeting, replay, slow ones, dead ones, strangers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { fastify, type FastifyInstance } from 'fastify'
import WebSocket from 'ws'
import type { ApiNotification } from '../../../src/api/events.ts'
import { addLiveFeed, asksForLiveFeed } from '../../../src/http/live/live.ts'
import { isAllowedOrigin } from '../../../src/http/access/origin.ts'
import { answerProblems, listenerOptions, problemOptions } from '../../../src/http/hooks/problem.ts'
import { MAX_BUFFERED_BYTES } from '../../../src/http/live/watcher.ts'
import type { Image } from '../../../src/image.ts'
import type { EventFeed } from '../../../src/publish/event-feed.ts'
import { createMemoryFeed } from '../../../src/publish/memory-feed.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { identifyEveryone } from '../../support/clients/principals.ts'
import { completed, sampleImage } from '../../support/inputs/sample-image.ts'

const CORS_ORIGINS = ['https://gallery.example']

interface Message extends Partial<ApiNotification> {
  status?: ApiNotification['status']
}

/** A client that keeps what it hears. */
class Client {
  readonly socket: WebSocket
  readonly heard: Message[] = []

  constructor(url: string, options: WebSocket.ClientOptions = {}) {
    this.socket = new WebSocket(url, options)
    this.socket.on('message', (data: Buffer) => this.heard.push(JSON.parse(data.toString())))
    this.socket.on('error', () => {})
  }

  get notifications(): Message[] {
    return this.heard.filter((message) => message.type === 'send_upload_notification')
  }

  async hears(what: string, isIt: (heard: Message[]) => boolean, timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!isIt(this.heard)) {
      assert.ok(Date.now() < deadline, `${what} was not heard in ${timeoutMs} ms; heard ${this.heard.length} messages`)
      await sleep(5)
    }
  }

  async greeted(): Promise<this> {
    await this.hears('a greeting', (heard) => heard.length > 0)
    return this
  }
}

/** A socket the server lost sight of would hold up its stop for ever. */
const AFTER_EACH = { timeout: 10_000 }

describe('live feed', () => {
  let app: FastifyInstance
  let feed: EventFeed
  let url: string
  const clients: Client[] = []

  async function serve({ history = 20_000, pingIntervalMs = 30_000 } = {}): Promise<void> {
    feed = createMemoryFeed({ history })
    app = fastify({ ...problemOptions, ...listenerOptions({ isUpgrade: asksForLiveFeed }) })
    answerProblems(app)
    identifyEveryone(app)
    await addLiveFeed(app, { feed, corsOrigins: CORS_ORIGINS, pingIntervalMs })
    url = `${(await app.listen({ host: '127.0.0.1', port: 0 })).replace('http', 'ws')}/ws/upload/`
  }

  function connect(query = '', options: WebSocket.ClientOptions = {}): Client {
    const client = new Client(url + query, options)
    clients.push(client)
    return client
  }

  /** One image through its states. */
  async function develop(image: Image): Promise<void> {
    for (const state of [image, { ...image, status: 'processing' } as const, completed(image)]) await feed.publish([state])
  }

  const images = (count: number, given: Partial<Image> = {}) =>
    Array.from({ length: count }, (_, batchIndex) => sampleImage({ ...given, batchIndex }))
  const buffered = () => Math.max(...[...app.websocketServer.clients].map((socket) => socket.bufferedAmount))

  async function connectionsFallTo(count: number): Promise<void> {
    const open = () => promisify(app.server.getConnections.bind(app.server))()
    for (let i = 0; i < 400 && (await open()) > count; i += 1) await sleep(10)
    assert.equal(await open(), count)
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.terminate()
    await app.close()
    await feed.close()
  }, AFTER_EACH)

  it('greets first, with and without the last slash, and says where the feed stands', async () => {
    await serve()
    await feed.publish([sampleImage()])
    for (const address of [url, url.slice(0, -1)]) {
      const client = new Client(address)
      clients.push(client)
      await client.greeted()
      assert.deepEqual(client.heard, [{ message: 'You are connected!', status: 'ok', seq: feed.position() }])
    }
  })

  it('tells each change as the contract says', async () => {
    await serve()
    const client = await connect().greeted()
    const image = sampleImage({ batchIndex: 7, name: 'a "b"\n\u202e🖼.jpg' })
    await develop(image)
    await client.hears('three changes', () => client.notifications.length === 3)
    const [pending, processing, done] = client.notifications
    assert.equal(pending?.status, 'pending')
    assert.equal(processing?.status, 'processing')
    assert.deepEqual(done, {
      type: 'send_upload_notification',
      job_id: `${image.batchId}-7`,
      status: 'completed',
      image: `/media/images/${image.id}-${RECIPE.id}.jpg`,
      thumbnail: `/media/thumbnails/${image.id}-${RECIPE.id}.webp`,
      id: image.id,
      name: image.name,
      size: image.size,
      message: 'Image uploaded successfully',
      upload_time: '0.5 seconds',
      error: null,
      code: null,
      seq: feed.position(),
    })
    assert.deepEqual([pending.image, pending.thumbnail, pending.upload_time], [null, null, null])
  })

  it('replays what was missed and goes on, with no gap and nothing twice', async () => {
    await serve()
    const first = await connect().greeted()
    await feed.publish(images(300))
    await first.hears('300 changes', () => first.notifications.length === 300)
    const since = first.notifications[99]!.seq!

    // Changes go on while it connects and is caught up.
    let publishing = true
    const stream = (async () => {
      for (let i = 300; publishing; i += 1) {
        await feed.publish([sampleImage({ batchIndex: i })])
        await sleep(1)
      }
      return feed.position()
    })()
    const again = await connect(`?since=${since}`).greeted()
    await again.hears('the replay and more', () => again.notifications.length > 250)
    publishing = false
    const end = await stream
    await again.hears('the last change', (heard) => heard.at(-1)?.seq === end)

    assert.deepEqual(again.heard[0], { message: 'You are connected!', status: 'ok' })
    assert.deepEqual(
      again.notifications.map((message) => message.job_id?.split('-').at(-1)),
      Array.from({ length: again.notifications.length }, (_, i) => String(i + 100)),
    )
  })

  it('lets one who heard only the greeting come back', async () => {
    await serve()
    const first = await connect().greeted()
    const { seq } = first.heard[0] as { seq: string }
    first.socket.close()
    await feed.publish(images(3))
    const again = connect(`?since=${seq}`)
    await again.hears('what was missed', () => again.notifications.length === 3)
  })

  it('says resync to a position it does not know, then goes on from now', async () => {
    await serve({ history: 10 })
    const start = feed.position()
    await feed.publish(images(50))
    for (const since of ['nonsense', '', start, `${start}&since=x`]) {
      const client = connect(`?since=${since}`)
      await client.hears('a resync', (heard) => heard.length === 2)
      const { type, seq } = client.heard[1] as { type: string; seq: string }
      assert.equal(type, 'resync')
      assert.equal(seq, feed.position())
      await feed.publish(images(1))
      await client.hears('what is new', () => client.notifications.length === 1)
    }
  })

  it('keeps little for a slow reader and never skips a final state', async () => {
    await serve({ history: 40_000 })
    const [slow, quick] = await Promise.all([connect().greeted(), connect().greeted()])
    slow.socket.pause()
    let mostBuffered = 0
    // Names of 1 KB, so that the buffers of the kernel (some MB) don't hide that nobody reads.
    const many = images(5000, { name: 'n'.repeat(1000) })
    for (let at = 0; at < many.length; at += 100) {
      const some = many.slice(at, at + 100)
      await feed.publish(some)
      await feed.publish(some.map((image) => ({ ...image, status: 'processing' })))
      await feed.publish(some.map(completed))
      await sleep(1)
      mostBuffered = Math.max(mostBuffered, buffered())
    }
    await quick.hears('everything', () => quick.notifications.length === 15_000, 30_000)
    assert.ok(mostBuffered >= MAX_BUFFERED_BYTES, 'the slow reader was never held back: this test shows nothing')
    assert.ok(mostBuffered < MAX_BUFFERED_BYTES + 4096, `${mostBuffered} bytes were kept for it`)

    slow.socket.resume()
    await slow.hears('the last change', (heard) => heard.at(-1)?.seq === feed.position(), 30_000)
    const finals = slow.notifications.filter((message) => message.status === 'completed').map((message) => message.id)
    assert.deepEqual(
      finals,
      many.map((image) => image.id),
    )
    assert.ok(slow.notifications.length < 15_000, 'intermediate states were left out')

    const before = slow.notifications.length
    await feed.publish(images(1000))
    await slow.hears('every state again, once it has caught up', () => slow.notifications.length === before + 1000)
  })

  it('says resync to a slow reader the feed has run past', async () => {
    await serve({ history: 200 })
    const slow = await connect().greeted()
    slow.socket.pause()
    const many = images(12_000, { name: 'n'.repeat(1000), status: 'processing' })
    for (let at = 0; at < many.length; at += 100) {
      await feed.publish(many.slice(at, at + 100))
      await sleep(1)
    }
    assert.ok(buffered() >= MAX_BUFFERED_BYTES)
    slow.socket.resume()
    const end = feed.position()
    await slow.hears('a resync', (heard) => (heard.at(-1) as { type?: string }).type === 'resync', 30_000)
    assert.equal(slow.heard.at(-1)?.seq, end)
    await develop(sampleImage())
    await slow.hears('what is new', (heard) => heard.at(-1)?.status === 'completed')
  })

  it('cuts off who does not answer a ping, and keeps who does', async () => {
    await serve({ pingIntervalMs: 60 })
    const [dead, living] = await Promise.all([connect('', { autoPong: false }).greeted(), connect().greeted()])
    await once(dead.socket, 'close', { signal: AbortSignal.timeout(5000) })
    await sleep(200)
    assert.equal(living.socket.readyState, WebSocket.OPEN)
    await develop(sampleImage())
    await living.hears('changes', () => living.notifications.length === 3)
    assert.equal(app.websocketServer.clients.size, 1)
  })

  it('answers pings, ignores what is said, and ends who says too much', async () => {
    await serve()
    const client = await connect().greeted()
    client.socket.ping('are you there')
    const [data] = (await once(client.socket, 'pong', { signal: AbortSignal.timeout(5000) })) as [Buffer]
    assert.equal(data.toString(), 'are you there')
    client.socket.send('{"type":"drop_everything"}')
    client.socket.send(Buffer.alloc(4096))
    await develop(sampleImage())
    await client.hears('changes', () => client.notifications.length === 3)
    assert.equal(client.heard.length, 4)
    client.socket.send(Buffer.alloc(4097))
    const [code] = await once(client.socket, 'close', { signal: AbortSignal.timeout(5000) })
    assert.equal(code, 1009)
  })

  it('ends who pings and never reads, instead of piling up answers', async () => {
    await serve()
    const client = await connect().greeted()
    client.socket.pause()
    const payload = Buffer.alloc(125)
    // 50 MB of pings at most: several times what the buffers of the kernel hold.
    for (let i = 0; i < 400_000 && app.websocketServer.clients.size > 0; i += 1) {
      client.socket.ping(payload)
      if (i % 1000 === 0) await sleep(0)
      assert.ok(buffered() < MAX_BUFFERED_BYTES)
    }
    assert.equal(app.websocketServer.clients.size, 0)
  })

  it('tells watchers that the server goes, and does not wait for the deaf', async () => {
    await serve()
    const [polite, deaf] = await Promise.all([connect().greeted(), connect().greeted()])
    deaf.socket.pause()
    const started = Date.now()
    const closing = once(polite.socket, 'close')
    await app.close()
    const [code, reason] = (await closing) as [number, Buffer]
    assert.equal(code, 1001)
    assert.equal(reason.toString(), 'The server is stopping')
    assert.ok(Date.now() - started < 4000, 'it waited')
  })

  it('refuses pages of other origins before the upgrade, and ends the socket', async () => {
    await serve()
    const refused = connect('', { origin: 'https://evil.example' })
    const [, response] = await once(refused.socket, 'unexpected-response', { signal: AbortSignal.timeout(5000) })
    let body = ''
    for await (const chunk of response) body += String(chunk)
    assert.equal(response.statusCode, 403)
    assert.equal(JSON.parse(body).code, 'origin_not_allowed')
    await connect('', { origin: CORS_ORIGINS[0]! }).greeted()
    await connect('', { origin: new URL(url).origin.replace('ws', 'http') }).greeted()

    await connectionsFallTo(2)
  })

  it('answers in JSON what is no WebSocket, and upgrades that lead nowhere', async () => {
    await serve()
    const plain = await app.inject('/ws/upload/')
    assert.equal(plain.statusCode, 400)
    assert.equal(plain.json().code, 'bad_request')
    for (const [path, status] of [
      ['/nowhere', 404],
      ['/%zz', 400],
    ] as const) {
      const lost = new Client(new URL(path, url).href)
      clients.push(lost)
      const [, response] = await once(lost.socket, 'unexpected-response', { signal: AbortSignal.timeout(5000) })
      assert.equal(response.statusCode, status)
    }
    // Also one that would keep its side open for ever.
    const { port } = app.server.address() as AddressInfo
    const stubborn = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
    stubborn.write('GET /%zz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    const [answer] = await once(stubborn, 'data', { signal: AbortSignal.timeout(5000) })
    assert.match(String(answer), /^HTTP\/1\.1 400 /)
    await connectionsFallTo(0)
    stubborn.destroy()
  })
})

describe('origins', () => {
  const table: [origin: string | undefined, host: string | undefined, allowed: boolean][] = [
    [undefined, 'photos.example', true],
    [undefined, undefined, true],
    ['http://photos.example', 'photos.example', true],
    ['https://photos.example', 'photos.example', true],
    ['https://photos.example', 'PHOTOS.example:443', true],
    ['http://photos.example:8000', 'photos.example:8000', true],
    ['http://[::1]:8000', '[::1]:8000', true],
    ['https://gallery.example', 'photos.example', true],
    ['http://gallery.example', 'photos.example', false],
    ['https://gallery.example:8443', 'photos.example', false],
    ['http://photos.example:8000', 'photos.example', false],
    ['http://photos.example:8001', 'photos.example:8000', false],
    ['http://localhost:8000', '127.0.0.1:8000', false],
    ['http://evilphotos.example', 'photos.example', false],
    ['http://photos.example.evil.example', 'photos.example', false],
    ['http://sub.photos.example', 'photos.example', false],
    ['https://sub.gallery.example', 'photos.example', false],
    ['https://gallery.example.evil.example', 'photos.example', false],
    ['http://photos.example@evil.example', 'photos.example', false],
    ['http://evil.example/photos.example', 'photos.example', false],
    ['http://photos.example/', 'photos.example', false],
    ['null', 'photos.example', false],
    ['null', 'null', false],
    ['file://', 'photos.example', false],
    ['', 'photos.example', false],
    ['photos.example', 'photos.example', false],
    ['http://photos.example', undefined, false],
    ['http://photos.example', '', false],
  ]
  for (const [origin, host, allowed] of table)
    it(`${allowed ? 'allows' : 'refuses'} ${origin ?? 'none'} at ${host ?? 'no host'}`, () => {
      assert.equal(isAllowedOrigin(origin, host, CORS_ORIGINS), allowed)
    })
})
