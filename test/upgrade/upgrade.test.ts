// An upgrade keeps what there is: this version starts on what an older one left behind when it was killed, and has all of it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ApiMe, ApiUser } from '../../src/api/accounts.ts'
import type { ApiAdminImage, ApiOverview, ApiQueue } from '../../src/api/admin.ts'
import type { ApiAuditEntry } from '../../src/api/audit.ts'
import type { ApiBatch, ApiBatchFile } from '../../src/api/batches.ts'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiKey } from '../../src/api/keys.ts'
import { originalKey } from '../../src/rendition/keys.ts'
import { login, send } from '../support/clients/accounts.ts'
import { ask, END_OF_PARTS, eventually, part, post } from '../support/clients/client.ts'
import { startCluster, type TestCluster } from '../support/servers/cluster.ts'
import { calotype, doctor } from '../support/servers/command.ts'
import { startServer } from '../support/servers/server.ts'
import type { LeftBehind } from './facts.ts'
import { FIXTURES, putInPlace, TOPOLOGIES, type Upgraded } from './put-in-place.ts'

const MAX_NAME_BYTES = 1024
const IN_HAND = ['pending', 'processing']
/** The sweep that deletes comes every ten seconds. */
const SWEPT_MS = 60_000

type Address = { url: string }
type Keys = LeftBehind['keys']

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const by = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` })

async function get<T>(server: Address, headers: Record<string, string>, path: string): Promise<T> {
  const { status, body, text } = await ask<T>(server, path, { headers })
  assert.equal(status, 200, `${path}: ${text}`)
  return body
}

const imagesOf = (server: Address, keys: Keys) => get<ApiAdminImage[]>(server, by(keys.admin), '/api/admin/images?limit=500')

const allFinal = (server: Address, keys: Keys) =>
  eventually(
    'every image is final',
    async () => {
      const images = await imagesOf(server, keys)
      return images.every(({ status }) => !IN_HAND.includes(status)) && images
    },
    120_000,
  )

/** The old name, or, of one that is too long today, its beginning, the mark, and its extension. */
function assertName(name: string, old: string): void {
  if (Buffer.byteLength(old) <= MAX_NAME_BYTES) return assert.equal(name, old)
  assert.ok(Buffer.byteLength(name) <= MAX_NAME_BYTES, `a name of ${Buffer.byteLength(name)} bytes`)
  const [beginning, extension] = name.split('…') as [string, string]
  assert.ok(old.startsWith(beginning) && old.endsWith(extension), `${old} became ${name}`)
  assert.match(extension, /^\.(jpg|png|webp|txt)$/)
  // Cut where it has to be, and not between the bytes of a character.
  assert.ok(Buffer.byteLength(name) > MAX_NAME_BYTES - 4, `a name of ${Buffer.byteLength(name)} bytes`)
}

/** All that the old version said, but for what is checked by itself or becomes something else; what is new beside it is no matter. */
function assertSame<T extends object>(now: T, old: T, except: (keyof T)[] = []): void {
  const kept = (Object.keys(old) as (keyof T)[]).filter((key) => !except.includes(key))
  const pick = (from: T) => Object.fromEntries(kept.map((key) => [key, from[key]]))
  assert.deepEqual(pick(now), pick(old))
}

const FINISHED: (keyof ApiAdminImage)[] = [
  'status',
  'finished_at',
  'upload_time',
  'image',
  'thumbnail',
  'thumbhash',
  'width',
  'height',
  'attempts',
]

function assertImages(now: ApiAdminImage[], { images }: LeftBehind, statusOf: (old: ApiAdminImage) => string[]): void {
  assert.deepEqual(now.map(({ id }) => id).sort(), images.map(({ id }) => id).sort())
  for (const old of images) {
    const image = now.find(({ id }) => id === old.id)!
    assertName(image.name, old.name)
    assertSame(image, old, ['name', ...(IN_HAND.includes(old.status) ? FINISHED : [])])
    assert.ok(statusOf(old).includes(image.status), `${old.name} was ${old.status} and is ${image.status}`)
  }
}

async function assertMedia(server: Address, { media, originals, keys }: LeftBehind): Promise<void> {
  const all = [
    ...Object.entries(media),
    ...Object.entries(originals).map(([id, sha256]) => [`/api/images/${id}/original`, sha256] as const),
  ]
  for (const [path, sha256] of all) {
    const answer = await fetch(server.url + path, { headers: by(keys.admin) })
    assert.equal(answer.status, 200, path)
    assert.equal(hashOf(new Uint8Array(await answer.arrayBuffer())), sha256, path)
  }
}

const noHalt = async (server: Address, keys: Keys) =>
  assert.equal((await get<ApiOverview>(server, by(keys.admin), '/api/admin/overview')).deletion_halt, null)

/** Each test goes on from the one before. */
function describeUpgrade(open: () => Promise<Upgraded>): void {
  let upgraded: Upgraded
  let facts: LeftBehind
  let keys: Keys
  before(async () => {
    upgraded = await open()
    ;({ facts } = upgraded)
    ;({ keys } = facts)
    await upgraded.start()
  })
  after(() => upgraded?.end())

  test('is ready, the queue still paused, with every image as it was', async () => {
    assert.equal((await ask(upgraded, '/readyz')).status, 200)
    const { pause } = await get<ApiQueue>(upgraded, by(keys.admin), '/api/admin/queue')
    assertSame(pause!, facts.pause!, ['until'])
    assertImages(await imagesOf(upgraded, keys), facts, ({ status }) => (IN_HAND.includes(status) ? IN_HAND : [status]))
    await assertMedia(upgraded, facts)
    await noHalt(upgraded, keys)
  })

  test('has every batch, and every file of it', async () => {
    const open = new Set(facts.images.filter(({ status }) => IN_HAND.includes(status)).map(({ id }) => id))
    for (const old of facts.batches) {
      const batch = await get<ApiBatch>(upgraded, by(keys.admin), `/api/batches/${old.id}`)
      const isOpen = old.files.some(({ image }) => image !== null && open.has(image.id))
      assertSame<object>(batch, old, ['files', ...(isOpen ? IN_HAND : [])] as never[])
      const files = await get<ApiBatchFile[]>(upgraded, by(keys.admin), `/api/batches/${old.id}?status=all`)
      assert.equal(files.length, old.files.length)
      for (const [at, file] of old.files.entries()) {
        assertName(files[at]!.name, file.name)
        assertSame(files[at]!, file, ['name', 'image', 'error', ...(isOpen ? (['status'] as const) : [])])
        assert.equal(files[at]!.image?.id, file.image?.id)
      }
    }
  })

  test('lets in by the old passwords, keys and sessions, and nobody else', async () => {
    for (const user of facts.users) {
      const { status, body } = await login(upgraded, user.email, facts.password)
      assert.equal(status, user.disabled_at === null ? 200 : 401, user.email)
      if (status === 200) assertSame(body.user!, user, ['used_today'])
    }
    const users = await get<ApiUser[]>(upgraded, by(keys.admin), '/api/admin/users')
    assert.equal(users.length, facts.users.length)
    for (const user of facts.users)
      assertSame(
        users.find(({ id }) => id === user.id)!,
        user,
        ['used_today'],
      )

    const listed = await get<ApiKey[]>(upgraded, by(keys.admin), '/api/admin/keys')
    for (const { key, facts: old } of Object.values(keys)) {
      assertSame(
        listed.find(({ id }) => id === old.id)!,
        old,
        ['last_used_at'],
      )
      const me = await get<ApiMe>(upgraded, by({ key }), '/api/auth/me')
      assert.deepEqual([me.via, me.user?.id, [...me.scopes].sort()], ['key', old.owner.id, [...old.scopes].sort()])
    }
    const session = await get<ApiMe>(upgraded, { cookie: facts.session }, '/api/auth/me')
    assert.deepEqual([session.via, session.user?.id], ['session', keys.member.facts.owner.id])
    const forbidden = await ask(upgraded, `/api/images/${facts.failed}`, { method: 'DELETE', headers: by(keys.reader) })
    assert.equal(forbidden.status, 403, forbidden.text)
    const foreign = await ask(upgraded, `/api/images/${facts.failed}`, { headers: by(keys.reader) })
    assert.equal(foreign.status, 404, foreign.text)
  })

  test('has the whole audit log', async () => {
    const now = new Set<string>()
    for (let path: string | undefined = '/api/admin/audit?limit=100'; path !== undefined;) {
      const answer: Awaited<ReturnType<typeof ask<ApiAuditEntry[]>>> = await ask(upgraded, path, { headers: by(keys.admin) })
      assert.equal(answer.status, 200, answer.text)
      for (const { id } of answer.body) now.add(id)
      path = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
    }
    assert.deepEqual(
      facts.audit.filter((id) => !now.has(id)),
      [],
    )
  })

  test('answers a repeated upload as the old version did, and takes nothing twice', async () => {
    const { key, file, status, text } = facts.repeatable
    const headers = { ...by(keys.member), 'idempotency-key': key }
    const body = Buffer.concat([part('images', file.name, Buffer.from(file.bytes, 'base64')), END_OF_PARTS])
    const again = await post(upgraded, { path: '/api/async/upload', headers, body })
    assert.deepEqual([again.status, again.text], [status, text])
    assert.equal((await imagesOf(upgraded, keys)).length, facts.images.length)
  })

  test('develops what was in hand, and what waited, once the queue goes on', async () => {
    const { status, text } = await send(upgraded, 'POST', '/api/admin/queue/resume', undefined, by(keys.admin))
    assert.equal(status, 200, text)
    const images = await allFinal(upgraded, keys)
    assertImages(images, facts, ({ status }) => [IN_HAND.includes(status) ? 'completed' : status])
    for (const id of [facts.processing, ...facts.pending]) {
      const { image, thumbnail } = images.find((one) => one.id === id)!
      for (const path of [image, thumbnail]) assert.equal((await fetch(upgraded.url + path, { headers: by(keys.admin) })).status, 200)
    }
    await assertMedia(upgraded, facts)
  })

  test('deletes the originals that were released, and no other', async () => {
    const kept = Object.values(facts.originals).map(originalKey)
    const released = facts.released.map(originalKey)
    await eventually(
      'the released originals are gone',
      async () => {
        const there = await upgraded.originals()
        return !released.some((key) => there.includes(key))
      },
      SWEPT_MS,
    )
    assert.deepEqual((await upgraded.originals()).sort(), [...new Set(kept)].sort())
    await noHalt(upgraded, keys)
    await assertMedia(upgraded, facts)
  })

  test('has nothing that the doctor would find', async () => {
    const { code, findings, summary } = await doctor(upgraded.env)
    assert.deepEqual([code, findings], [0, []])
    assert.deepEqual([summary.hashed, summary.knownLost], [new Set(Object.values(facts.originals)).size, 0])
  })

  test('goes on with a batch that had half arrived', async () => {
    const { batch, missing } = facts.halfArrived
    const files = missing.map(({ index, name, bytes }) => [
      part('index', null, String(index)),
      part('images', name, Buffer.from(bytes, 'base64')),
    ])
    const body = Buffer.concat([...files.flat(), END_OF_PARTS])
    const { status, text } = await post(upgraded, { path: `/api/async/batch/upload?batch=${batch}`, headers: by(keys.member), body })
    assert.equal(status, 202, text)
    await allFinal(upgraded, keys)
    const { declared, completed } = await get<ApiBatch>(upgraded, by(keys.member), `/api/batches/${batch}`)
    assert.deepEqual([declared, completed], [3, 3])
    const names = await get<ApiBatchFile[]>(upgraded, by(keys.member), `/api/batches/${batch}?status=all`)
    for (const { index, name } of missing) assertName(names.find((one) => one.index === index)!.image!.name, name)
  })

  test('tries again what failed, and leaves alone what was cancelled', async () => {
    const old = facts.images.find(({ id }) => id === facts.failed)!
    const retry = async (path: string) => {
      const { status, text } = await send<ApiImage>(upgraded, 'POST', `${path}/retry`, undefined, by(keys.member))
      assert.equal(status, 202, text)
      const images = await allFinal(upgraded, keys)
      return (id: string) => images.find((image) => image.id === id)!
    }
    const first = (await retry(`/api/images/${facts.failed}`))(facts.failed)
    assert.deepEqual([first.status, first.code, first.error], ['error', old.code, old.error])
    assert.notEqual(first.finished_at, old.finished_at)
    const { id: batch } = facts.batches.find(({ files }) => files.some(({ image }) => image?.id === facts.failed))!
    const second = (await retry(`/api/batches/${batch}`))(facts.failed)
    assert.equal(second.status, 'error')
    assert.notEqual(second.finished_at, first.finished_at)
    const [cancelled] = facts.batches.find(({ id }) => id === facts.cancelled.batch)!.files
    assert.equal((await retry(`/api/batches/${facts.cancelled.batch}`))(cancelled!.image!.id).status, 'aborted')
  })

  test('deletes an image, and its bytes with the last that has them', async () => {
    const [mine, theirs] = facts.same
    const key = originalKey(facts.originals[mine]!)
    const { image } = facts.images.find(({ id }) => id === theirs)!
    const remove = async (id: string) => {
      const { status, text } = await ask(upgraded, `/api/images/${id}`, { method: 'DELETE', headers: by(keys.admin) })
      assert.equal(status, 204, text)
      assert.equal((await ask(upgraded, `/api/images/${id}`, { headers: by(keys.admin) })).status, 404)
    }
    await remove(mine)
    assert.equal((await fetch(upgraded.url + image!)).status, 200)
    assert.ok((await upgraded.originals()).includes(key))
    await remove(theirs)
    await eventually('its bytes are gone', async () => !(await upgraded.originals()).includes(key), SWEPT_MS)
    await noHalt(upgraded, keys)
  })

  test('is backed up, and restored into an empty folder', async (t) => {
    const place = await mkdtemp(join(tmpdir(), 'calotype-upgrade-'))
    t.after(() => rm(place, { recursive: true, force: true, maxRetries: 5 }))
    const expected = await imagesOf(upgraded, keys)
    const folder = join(place, 'backup')
    const backup = await calotype(['backup', folder, '--originals', 'copy'], upgraded.env)
    assert.equal(backup.code, 0, backup.stdout + backup.stderr)
    const env = { AUTH: 'required', LOG_LEVEL: 'error', MAX_FILE_BYTES: '1000000', DATA_DIR: join(place, 'restored') }
    const restore = await calotype(['restore', folder], env)
    assert.equal(restore.code, 0, restore.stdout + restore.stderr)
    await using server = await startServer({ env, dataDir: env.DATA_DIR })
    const images = await allFinal(server, keys)
    const told = (all: ApiAdminImage[]) => all.map(({ id, name, status, image }) => ({ id, name, status, image }))
    assert.deepEqual(told(images), told(expected))
    for (const { id } of images) {
      const answer = await fetch(`${server.url}/api/images/${id}/original`, { headers: by(keys.admin) })
      assert.equal(answer.status, 200)
      const sha256 = hashOf(new Uint8Array(await answer.arrayBuffer()))
      assert.equal(sha256, facts.originals[id] ?? sha256)
    }
    assert.deepEqual((await doctor(env)).findings, [])
  })

  test('starts a second time, with all of it', async () => {
    const expected = await imagesOf(upgraded, keys)
    for (const code of await upgraded.stop()) assert.equal(code, 0)
    await upgraded.start()
    assert.equal((await ask(upgraded, '/readyz')).status, 200)
    assert.deepEqual(await imagesOf(upgraded, keys), expected)
    await noHalt(upgraded, keys)
    assert.deepEqual((await doctor(upgraded.env)).findings, [])
  })
}

for (const topology of TOPOLOGIES) {
  describe(topology, () => {
    let engines: TestCluster | undefined
    before(async () => {
      if (topology === 'cluster') engines = await startCluster({ api: 0, workers: 0, s3: true })
    })
    after(() => engines?.stop())
    for (const fixture of FIXTURES)
      describe(`what ${fixture} left behind`, () => describeUpgrade(() => putInPlace(fixture, topology, engines)))
  })
}
