// Watchers on one API server hear what was uploaded to the other, in order, while theirs is restarted: no final state is missed.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiNotification } from '../../src/api/events.ts'
import { isFinal, type Status } from '../../src/image.ts'
import { allFinal, eventually, listImages, upload } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { markedFiles } from './ledger.ts'

const IMAGES = 60
const PAUSE_MS = 80
const RETRY_MS = 100
const ORDER: Status[] = ['pending', 'processing', 'completed']

let cluster: TestCluster
before(async () => {
  cluster = await startCluster({ env: { LOG_LEVEL: 'error' } })
})
after(async () => {
  await cluster.stop()
})

interface Keeper extends Disposable {
  /** The states of each image, by id, in the order they came. */
  heard: Map<string, Status[]>
  /** Learned from the list, after a `resync`. */
  read: Set<string>
  connections: number
  resyncs: number
}

/** Watches as the page does: connects again when the connection ends, with the last `seq`; reads the list when told to. */
function keepWatching(url: string): Keeper {
  const keeper: Keeper = { heard: new Map(), read: new Set(), connections: 0, resyncs: 0, [Symbol.dispose]: end }
  let since: string | undefined
  let socket: WebSocket
  let ended = false

  async function readList() {
    for (;;) {
      const images = await listImages({ url }).catch(() => null)
      if (Array.isArray(images)) {
        for (const { id, status } of images) if (isFinal(status)) keeper.read.add(id)
        return
      }
      await wait(RETRY_MS)
    }
  }

  function connect() {
    const query = since === undefined ? '' : `?since=${encodeURIComponent(since)}`
    socket = new WebSocket(`${url.replace('http', 'ws')}/ws/upload/${query}`)
    socket.addEventListener('open', () => keeper.connections++)
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data as string) as Partial<ApiNotification> & { type?: string }
      since = message.seq ?? since
      if ((message.type as string) === 'resync') {
        keeper.resyncs++
        void readList()
      } else if (message.id !== undefined) {
        keeper.heard.set(message.id, [...(keeper.heard.get(message.id) ?? []), message.status!])
      }
    })
    // An error is followed by a close.
    socket.addEventListener('close', () => {
      if (!ended) setTimeout(connect, RETRY_MS)
    })
  }
  function end() {
    ended = true
    socket.close()
  }
  connect()
  return keeper
}

for (const [how, fault] of [
  ['restarted', async () => void (await cluster.restart('api-1'))],
  [
    'killed and started',
    async () => {
      await cluster.kill('api-1')
      await cluster.start('api-1')
    },
  ],
] as const) {
  test(`the server of the watchers is ${how} while images go to the other one`, async (t) => {
    const [watched, other] = [await cluster.member('api-1'), await cluster.member('api-2')]
    const before = new Set((await listImages(cluster)).map(({ id }) => id))
    using direct = keepWatching(watched.url!)
    using through = keepWatching(cluster.url)
    // The next one of nginx's turn: one of these two was on the server that goes.
    using second = keepWatching(cluster.url)
    const keepers = { direct, through, second }
    await eventually('all watch', async () => Object.values(keepers).every(({ connections }) => connections === 1))

    const files = await markedFiles(how, IMAGES, before.size)
    let faulting: Promise<void> | undefined
    for (const [index, file] of files.entries()) {
      if (index === IMAGES / 3) faulting = fault()
      const { status, text } = await upload({ url: other.url! }, 'async', [file])
      assert.equal(status, 202, text)
      await wait(PAUSE_MS)
    }
    await faulting
    const images = (await allFinal(cluster)).filter(({ id }) => !before.has(id))
    assert.equal(images.length, IMAGES)
    assert.ok(images.every(({ status }) => status === 'completed'))

    for (const [name, { heard, read, connections, resyncs }] of Object.entries(keepers)) {
      const missed = () => images.filter(({ id }) => !read.has(id) && !heard.get(id)?.some(isFinal))
      await eventually(`${name} knows every final state`, async () => missed().length === 0, 5_000).catch(() => {})
      const disordered = [...heard.values()].filter((states) => !states.every((status, at) => status === ORDER[at]))
      t.diagnostic(
        `${how}: ${name}: ${connections} connections, ${resyncs} resyncs, ${heard.size} images heard, ${missed().length} final states missed, ${disordered.length} out of order`,
      )
      assert.deepEqual(missed(), [])
      if (resyncs === 0) {
        assert.equal(heard.size, IMAGES)
        assert.deepEqual(disordered, [], 'pending, processing, completed, each once')
        assert.ok([...heard.values()].every(({ length }) => length === ORDER.length))
      }
    }
    assert.ok(direct.connections >= 2, 'the direct one came back')
    assert.ok(Math.max(through.connections, second.connections) >= 2, 'one of the others did, too')
  })
}
