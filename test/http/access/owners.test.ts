// What a member sees and touches over HTTP: theirs, and of everyone else's nothing, not even that it is there.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import WebSocket from 'ws'
import type { ApiBatch, ApiDeclared } from '../../../src/api/batches.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiEvents, ApiNotification } from '../../../src/api/events.ts'
import type { ApiCount, ApiDeleted, ApiImage, ApiRetried } from '../../../src/api/images.ts'
import type { ApiInitiated, ApiUploaded } from '../../../src/api/uploads.ts'
import { createServer } from '../../../src/http/server.ts'
import { createLog } from '../../../src/log.ts'
import { NO_RESERVE } from '../../../src/store/disk-reserve.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { ask, END_OF_PARTS, eventually, MULTIPART, part, type Answer } from '../../support/clients/client.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { identifyByHeader, startShared, WHO, type Shared } from '../../support/clients/principals.ts'
import { sampleImage } from '../../support/inputs/sample-image.ts'
import { inMemory, readZip } from '../../support/clients/zip-reader.ts'

const WAIT_MS = 60_000
const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const idsOf = (images: { id: string }[]) => images.map(({ id }) => id).sort()

let shared: Shared
let pictures: Buffer[]
/** Of three images each: two good ones, and one that fails and that both have sent. */
let ann: ApiImage[]
let ben: ApiImage[]

function call<T>(who: string, path: string, init: RequestInit = {}, url = shared.privateUrl): Promise<Answer<T>> {
  return ask<T>({ url }, path, { ...init, headers: { ...(init.headers as Record<string, string>), [WHO]: who } })
}

const post = <T>(who: string, path: string, body?: object) =>
  call<T>(who, path, {
    method: 'POST',
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })

function send<T = ApiInitiated>(who: string, files: { name: string; bytes: Buffer }[], options: { path?: string; key?: string } = {}) {
  const { path = '/api/async/upload', key } = options
  const field = path === '/api/upload' ? 'image' : 'images'
  const body = Buffer.concat([...files.map(({ name, bytes }) => part(field, name, bytes)), END_OF_PARTS])
  const headers = { 'content-type': MULTIPART, ...(key !== undefined && { 'idempotency-key': key }) }
  return call<T>(who, path, { method: 'POST', headers, body })
}

/** Uploads, and waits until all are final. */
async function upload(who: string, files: { name: string; bytes: Buffer }[]): Promise<ApiImage[]> {
  const { status, body, text } = await send(who, files)
  assert.equal(status, 202, text)
  return areFinal(who, body.job_id)
}

const areFinal = (who: string, batch: string) =>
  eventually(
    'all are final',
    async () => {
      const { body } = await call<ApiImage[]>(who, `/api/images?batch=${batch}&sort=name`)
      return body.length > 0 && body.every(({ finished_at }) => finished_at !== null) ? body : false
    },
    WAIT_MS,
  )

const batchOf = ({ job_id }: ApiImage) => job_id.slice(0, job_id.lastIndexOf('-'))
const named = (images: ApiImage[], name: string) => images.find((image) => image.name === name)!
const listOf = async (who: string) => (await call<ApiImage[]>(who, '/api/list')).body

before(async () => {
  shared = await startShared()
  pictures = await smallPhotographs(6, { seed: 4_000, bytes: 5_000 })
  const damaged = { name: 'damaged.jpg', bytes: pictures[5]!.subarray(0, 2_000) }
  ann = await upload('ann', [{ name: 'a0.jpg', bytes: pictures[0]! }, { name: 'a1.jpg', bytes: pictures[1]! }, damaged])
  ben = await upload('ben', [{ name: 'b0.jpg', bytes: pictures[2]! }, { name: 'b1.jpg', bytes: pictures[3]! }, damaged])
  assert.deepEqual(ann.map(({ status }) => status).sort(), ['completed', 'completed', 'error'], 'the third of them is damaged')
})
after(() => shared?.end())

describe('ids of others', () => {
  /** Every route with an id, and how it is called with this one. */
  const CALLS: Record<string, (image: ApiImage, batch: string) => [path: string, init?: RequestInit]> = {
    'GET /api/images/:id': ({ id }) => [`/api/images/${id}`],
    'DELETE /api/images/:id': ({ id }) => [`/api/images/${id}`, { method: 'DELETE' }],
    'POST /api/images/:id/retry': ({ id }) => [`/api/images/${id}/retry`, { method: 'POST' }],
    'GET /api/images/:id/original': ({ id }) => [`/api/images/${id}/original`],
    'GET /api/batches/:id': (_, batch) => [`/api/batches/${batch}`],
    'POST /api/batches/:id/cancel': (_, batch) => [`/api/batches/${batch}/cancel`, { method: 'POST' }],
    'POST /api/batches/:id/retry': (_, batch) => [`/api/batches/${batch}/retry`, { method: 'POST' }],
    'GET /media/images/:file': ({ id }) => [`/media/images/${id}-${RECIPE.id}.jpg`],
    'GET /media/thumbnails/:file': ({ id }) => [`/media/thumbnails/${id}-${RECIPE.id}.webp`],
  }
  /** And those that take it elsewhere. */
  const MORE: typeof CALLS = {
    'files of a batch': (_, batch) => [`/api/batches/${batch}?status=all`],
    'files sent to a batch': (_, batch) => [
      `/api/async/batch/upload?batch=${batch}`,
      {
        method: 'POST',
        headers: { 'content-type': MULTIPART },
        body: Buffer.concat([part('images', 'x.jpg', pictures[0]!), END_OF_PARTS]),
      },
    ],
    'an archive': ({ id }) => [`/api/images/archive?id=${id}`],
    'an archive by a form': ({ id }) => [
      '/api/images/archive',
      { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `id=${id}` },
    ],
    'an archive of a batch': (_, batch) => [`/api/images/archive?batch=${batch}`],
  }

  test('every route with an id is here', () => {
    // Those of pages and of accounts have tests of their own.
    const others = /^HEAD|^GET \/(gallery|batches|admin)\/|\/api\/(auth|keys|admin)\//
    const withId = shared.routes.filter((route) => /:(id|file)/.test(route) && !others.test(route))
    assert.deepEqual(withId.sort(), Object.keys(CALLS).sort())
  })

  test('are answered as ids that are not there, and nothing is changed', async () => {
    const declared = await post<ApiDeclared>('ann', '/api/batches', { files: [{ name: 'later.jpg', size: 9 }] })
    const before = [await listOf('ann'), (await call('ann', '/api/batches')).body]
    for (const [name, request] of Object.entries({ ...CALLS, ...MORE })) {
      for (const image of ann) {
        for (const batch of [batchOf(image), declared.body.id]) {
          const theirs = await call<ApiError>('ben', ...request(image, batch))
          assert.deepEqual([theirs.status, theirs.body.code], [404, 'not_found'], `${name}: ${theirs.text}`)
          const nowhere = await call('ben', ...request({ ...image, id: randomUUID() }, randomUUID()))
          assert.deepEqual([nowhere.status, nowhere.text], [404, theirs.text], name)
          const guest = await call<ApiError>('guest', ...request(image, batch))
          assert.equal(guest.status, 404, `${name}, of who has no account`)
        }
      }
    }
    for (const path of [ann[0]!.image!, ann[0]!.thumbnail!, `/api/images/${ann[0]!.id}/original`]) {
      const head = (who: string) => fetch(shared.privateUrl + path, { method: 'HEAD', headers: { [WHO]: who } })
      assert.deepEqual([(await head('ben')).status, (await head('ann')).status], [404, 200])
    }
    assert.deepEqual([await listOf('ann'), (await call('ann', '/api/batches')).body], before)
  })

  test('an administrator gets everyone’s; one whose key is not for that, their own', async () => {
    const [image] = ann
    for (const name of ['GET /api/images/:id', 'GET /api/images/:id/original', 'GET /api/batches/:id', 'GET /media/images/:file']) {
      const request = CALLS[name]!(image!, batchOf(image!))
      assert.equal((await call('root', ...request)).status, 200, name)
      assert.equal((await call('ann', ...request)).status, 200, name)
      assert.equal((await call('root-reads', ...request)).status, 404, name)
    }
  })
})

describe('media', () => {
  test('are for everyone who knows their URL where that is said, and originals are not', async () => {
    for (const who of ['ben', 'guest']) {
      const { status, headers } = await call(who, ann[0]!.image!, {}, shared.publicUrl)
      assert.deepEqual([status, headers['cache-control']], [200, 'public, max-age=31536000, immutable'])
      assert.equal((await call(who, `/api/images/${ann[0]!.id}/original`, {}, shared.publicUrl)).status, 404)
    }
  })

  test('that are private are kept by no shared cache, and asked for each time', async () => {
    for (const path of [ann[0]!.image!, ann[0]!.thumbnail!]) {
      const { status, headers } = await call('ann', path)
      assert.deepEqual(
        [status, headers['cache-control'], headers['cross-origin-resource-policy']],
        [200, 'private, no-cache', 'same-origin'],
      )
      const known = { 'if-none-match': headers.etag! }
      assert.equal((await call('ann', path, { headers: known })).status, 304)
      assert.equal((await call('ben', path, { headers: known })).status, 404)
      assert.equal((await call('ben', path, { headers: { range: 'bytes=0-9' } })).status, 404)
    }
  })
})

describe('lists', () => {
  const LISTS = ['/api/list', '/api/list?limit=1000', ...['newest', 'oldest', 'name', '-size'].map((sort) => `/api/images?sort=${sort}`)]

  test('have only what is theirs, and an administrator’s everything', async () => {
    for (const path of LISTS) {
      assert.deepEqual(idsOf((await call<ApiImage[]>('ann', path)).body), idsOf(ann), path)
      assert.deepEqual(idsOf((await call<ApiImage[]>('ben', path)).body), idsOf(ben), path)
      assert.deepEqual(idsOf((await call<ApiImage[]>('root', path)).body), idsOf([...ann, ...ben]), path)
      for (const who of ['eve', 'root-reads']) assert.deepEqual((await call<ApiImage[]>(who, path)).body, [], path)
    }
    for (const filter of [`batch=${batchOf(ann[0]!)}`, 'q=a0'])
      assert.deepEqual((await call('ben', `/api/images?${filter}`)).body, [], filter)
  })

  test('are counted alike', async () => {
    const count = async (who: string, filter = '') => (await call<ApiCount>(who, `/api/images/count?${filter}`)).body.images
    assert.deepEqual([await count('ann'), await count('ben'), await count('root'), await count('eve')], [3, 3, 6, 0])
    assert.equal(await count('ben', `batch=${batchOf(ann[0]!)}`), 0)
    assert.deepEqual([await count('ann', 'status=error'), await count('root', 'status=error')], [1, 2])
  })

  test('of batches have only those that are theirs', async () => {
    const batches = async (who: string) => (await call<ApiBatch[]>(who, '/api/batches?limit=100')).body.map(({ id }) => id)
    const [annHas, benHas, rootHas] = [await batches('ann'), await batches('ben'), await batches('root')]
    assert.ok(annHas.includes(batchOf(ann[0]!)) && !annHas.includes(batchOf(ben[0]!)))
    assert.deepEqual(benHas, [batchOf(ben[0]!)])
    assert.deepEqual(new Set(rootHas), new Set([...annHas, ...benHas]))
    assert.deepEqual(await batches('eve'), [])
  })

  test('archives have only originals that are theirs', async () => {
    const query = [...ann, ...ben].map(({ id }) => `id=${id}`).join('&')
    for (const path of [`/api/images/archive?${query}`, '/api/images/archive', '/api/images/archive?status=error']) {
      const answer = await fetch(shared.privateUrl + path, { headers: { [WHO]: 'ben' } })
      assert.equal(answer.status, 200)
      const names = readZip(inMemory(Buffer.from(await answer.arrayBuffer()))).map(({ name }) => name)
      assert.deepEqual(names.sort(), path.endsWith('error') ? ['damaged.jpg'] : ['b0.jpg', 'b1.jpg', 'damaged.jpg'], path)
    }
  })
})

describe('events', () => {
  const sockets: WebSocket[] = []
  after(() => sockets.forEach((socket) => socket.terminate()))

  /** What someone hears after the greeting. */
  async function listen(who: string, query = ''): Promise<ApiNotification[]> {
    const socket = new WebSocket(`${shared.privateUrl.replace('http', 'ws')}/ws/upload/${query}`, { headers: { [WHO]: who } })
    sockets.push(socket)
    const heard: ApiNotification[] = []
    const greeted = Promise.withResolvers<void>()
    socket.on('error', greeted.reject)
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as ApiNotification
      if (message.type === 'send_upload_notification') heard.push(message)
      else greeted.resolve()
    })
    await greeted.promise
    return heard
  }
  const poll = async (who: string, query = '') => (await call<ApiEvents>(who, `/api/events?${query}`)).body

  test('tell each of their own, live, replayed and polled, and an administrator of all', async () => {
    const start = (await poll('ann')).last
    const [annHears, benHears, rootHears] = [await listen('ann'), await listen('ben'), await listen('root')]
    const [hers] = await upload('ann', [{ name: 'a2.jpg', bytes: pictures[4]! }])
    // The same bytes: completed at once.
    const [his] = await upload('ben', [{ name: 'b2.jpg', bytes: pictures[4]! }])
    await eventually('all is heard', async () => rootHears.some(({ id }) => id === his!.id), WAIT_MS)
    await eventually('and by him', async () => benHears.length > 0, WAIT_MS)
    assert.deepEqual(
      [new Set(annHears.map(({ id }) => id)), new Set(benHears.map(({ id }) => id))],
      [new Set([hers!.id]), new Set([his!.id])],
    )
    assert.deepEqual(
      annHears.map(({ status }) => status),
      ['pending', 'processing', 'completed'],
    )
    assert.deepEqual(rootHears, [...annHears, ...benHears])

    const replayed = await listen('ben', `?since=${start}`)
    await eventually('the replay', async () => replayed.length === benHears.length, WAIT_MS)
    assert.deepEqual(replayed, benHears)

    const { last } = await poll('root', `since=${start}`)
    assert.deepEqual(await poll('root', `since=${start}`), { events: rootHears, last, resync: false })
    for (const [who, heard] of [['ann', annHears] as const, ['ben', benHears] as const, ['eve', []] as const]) {
      assert.deepEqual(await poll(who, `since=${start}`), { events: heard, last, resync: false }, 'it goes on over events of others')
    }
    assert.deepEqual(await poll('ann', `since=${start}&limit=2`), { events: annHears.slice(0, 2), last: annHears[1]!.seq, resync: false })
    assert.deepEqual(await poll('ann', `since=${annHears[1]!.seq}&limit=1`), {
      events: annHears.slice(2),
      last: annHears[2]!.seq,
      resync: false,
    })
    for (const { id } of [hers!, his!]) await call('root', `/api/images/${id}`, { method: 'DELETE' })
  })

  test('are found among thousands of others, as many as are asked for', async () => {
    const { feed } = shared.deps
    const start = feed.position()
    const live = await listen('ben')
    const ownerOf = (at: number) => (at % 1_500 === 1_499 ? 'ben' : 'ann')
    await feed.publish(Array.from({ length: 4_700 }, (_, batchIndex) => sampleImage({ batchIndex, ownerId: ownerOf(batchIndex) })))
    const places = (events: { job_id: string }[]) => events.map(({ job_id }) => Number(job_id.slice(job_id.lastIndexOf('-') + 1)))
    const first = await poll('ben', `since=${start}&limit=2`)
    assert.deepEqual(places(first.events), [1_499, 2_999])
    assert.equal(first.last, first.events[1]!.seq)
    const second = await poll('ben', `since=${first.last}&limit=2`)
    assert.deepEqual([places(second.events), second.last], [[4_499], feed.position()])
    assert.deepEqual(await poll('ben', `since=${second.last}`), { events: [], last: second.last, resync: false })
    await eventually('a watcher hears them', async () => live.length === 3, WAIT_MS)
    assert.deepEqual(places(live), [1_499, 2_999, 4_499])
  })

  test('who has no account hears nothing', async () => {
    assert.equal((await call('guest', '/api/events')).status, 404)
    const socket = new WebSocket(`${shared.privateUrl.replace('http', 'ws')}/ws/upload/`, { headers: { [WHO]: 'guest' } })
    sockets.push(socket)
    const messages: unknown[] = []
    socket.on('message', (data: Buffer) => messages.push(data.toString()))
    const [code] = await new Promise<[number]>((resolve) => socket.on('close', (...args) => resolve([args[0]])))
    assert.deepEqual([code, messages], [1011, []])
  })
})

describe('what is sent', () => {
  test('a sync upload waits for its own outcome', async () => {
    const { status, body } = await send<ApiUploaded>('eve', [{ name: 'e.jpg', bytes: pictures[0]! }], { path: '/api/upload' })
    assert.deepEqual([status, body.image.status], [200, 'completed'])
    assert.deepEqual(idsOf(await listOf('eve')), [body.image.id])
    assert.equal((await call('ann', `/api/images/${body.image.id}`)).status, 404)
    assert.equal((await call('eve', `/api/images/${body.image.id}`, { method: 'DELETE' })).status, 204)
  })

  test('a hash tells nobody that somebody else has the bytes', async () => {
    const declaring = async (who: string) => {
      const files = [pictures[0]!, pictures[2]!].map((bytes) => ({ name: 'x.jpg', size: bytes.length, sha256: sha256Of(bytes) }))
      const { status, body } = await post<ApiDeclared>(who, '/api/batches', { files })
      assert.equal(status, 201)
      await post(who, `/api/batches/${body.id}/cancel`)
      for (const file of body.files) if ('image' in file && file.image) await call(who, `/api/images/${file.image}`, { method: 'DELETE' })
      return body.files.map(({ state }) => state)
    }
    assert.deepEqual(await declaring('ann'), ['known', 'needed'])
    assert.deepEqual(await declaring('ben'), ['needed', 'known'])
    assert.deepEqual(await declaring('eve'), ['needed', 'needed'])
    assert.deepEqual(await declaring('root-reads'), ['needed', 'needed'])
    assert.deepEqual(await declaring('root'), ['known', 'known'])
  })

  test('two may use the same Idempotency-Key, for whatever they send', async () => {
    const key = 'the same'
    const files = { eve: [{ name: 'e.jpg', bytes: pictures[0]! }], dan: [{ name: 'd.jpg', bytes: pictures[1]! }] }
    const [eve, dan] = [await send('eve', files.eve, { key }), await send('dan', files.dan, { key })]
    assert.deepEqual([eve.status, dan.status], [202, 202])
    assert.notEqual(eve.body.job_id, dan.body.job_id)
    assert.equal((await send('eve', files.eve, { key })).text, eve.text)
    assert.equal((await send('dan', files.dan, { key })).text, dan.text)
    assert.equal((await send('dan', files.eve, { key })).status, 409)
    const declared = { files: [{ name: 'x.jpg', size: 9 }] }
    const declare = (who: string) =>
      call<ApiDeclared>(who, '/api/batches', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'another' },
        body: JSON.stringify(declared),
      })
    const [one, other, again] = [await declare('eve'), await declare('dan'), await declare('eve')]
    assert.notEqual(one.body.id, other.body.id)
    assert.equal(again.text, one.text)
    for (const who of ['eve', 'dan']) await post(who, '/api/images/delete', { ids: idsOf(await listOf(who)) })
  })

  test('many at once: of mixed ids, only one’s own are tried again or deleted', async () => {
    const ids = idsOf([...ann, ...ben])
    const damaged = named(ann, 'damaged.jpg')
    const start = (await call<ApiEvents>('ann', '/api/events')).body.last
    const retried = await post<ApiRetried>('ben', '/api/images/retry', { ids })
    assert.deepEqual([retried.status, retried.body], [202, { retried: 1 }], 'hers, of the same bytes, is not counted')
    const heard = await eventually(
      'hers is tried again as well, which only she hears of',
      async () => {
        const { events } = (await call<ApiEvents>('ann', `/api/events?since=${start}`)).body
        return events.at(-1)?.status === 'error' && events
      },
      WAIT_MS,
    )
    assert.deepEqual(new Set(heard.map(({ id }) => id)), new Set([damaged.id]))
    assert.equal(heard[0]!.status, 'pending')
    await areFinal('ben', batchOf(ben[0]!))

    assert.deepEqual((await post<ApiRetried>('ben', '/api/images/retry', { ids: idsOf(ann) })).body, { retried: 0 })
    assert.deepEqual((await post<ApiDeleted>('ben', '/api/images/delete', { ids })).body, { deleted: 3 })
    assert.deepEqual(idsOf(await listOf('ann')), idsOf(ann))
    assert.deepEqual(await listOf('ben'), [])
    const original = await call('ann', `/api/images/${damaged.id}/original`)
    assert.equal(original.status, 200, 'the bytes that she shared with him stay')
  })
})

test('a route that does not say what it asks of who calls it fails the start', async () => {
  const pages = { folder: '/nowhere', imageOrigins: [], maxFileBytes: 1 }
  const limits = { maxFileBytes: 1, maxFiles: 1, maxPending: 1, uploadIdleTimeoutMs: 1, syncWaitMs: 1, batchTtlHours: 1 }
  const open = (extra: (server: Parameters<typeof identifyByHeader>[0]) => void) =>
    createServer(
      {
        ...shared.deps,
        log: createLog('silent'),
        limits,
        reserve: NO_RESERVE,
        mediaAccess: 'public',
        pages,
        corsOrigins: ['https://other.example'],
        obstacle: () => null,
        isStopping: () => false,
      },
      (server) => {
        identifyByHeader(server)
        extra(server)
      },
    )
  const whole = await open(() => undefined)
  await whole.ready()
  await whole.close()
  const lacking = await open((server) => void server.get('/forgotten', async () => 'open'))
  await assert.rejects(async () => lacking.ready(), /^Error: Routes without config\.access: GET \/forgotten, HEAD \/forgotten$/)
  await lacking.close()
})
