// Has an older version, through its public API, hold images in every state there is, and asks it about all of them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import sharp from 'sharp'
import type { ApiUser } from '../../src/api/accounts.ts'
import type { ApiAdminImage, ApiQueue } from '../../src/api/admin.ts'
import type { ApiAuditEntry } from '../../src/api/audit.ts'
import type { ApiBatch, ApiBatchFile, ApiDeclared } from '../../src/api/batches.ts'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiJob } from '../../src/api/jobs.ts'
import type { ApiKey } from '../../src/api/keys.ts'
import { letIn, makeKey, PASSWORD, send, setUp } from '../../test/support/clients/accounts.ts'
import { ask, END_OF_PARTS, eventually, part, post, type Uploaded } from '../../test/support/clients/client.ts'
import type { LeftBehind } from '../../test/upgrade/facts.ts'

export interface OldServer {
  url: string
  /** Of the server, with the set-up link. */
  output(): string
  /** Stops the children that develop, so that what they have in hand stays in hand. */
  freeze(): void
}

type Headers = Record<string, string>
interface Picture {
  name: string
  bytes: Buffer
}

const SIDE = 32
const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'avif'] as const
const PAGE = 100
const A_DAY_MINUTES = 24 * 60
/** Longer than the names that are kept today, and as the version before took them. */
const LONG = 1_500

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let pictures = 0
/** No two are the same: a colour of its own for each, going over into another. */
async function picture(name: string, format: (typeof FORMATS)[number] = 'png'): Promise<Picture> {
  const seed = ++pictures
  const samples = Buffer.alloc(SIDE * SIDE * 3)
  for (let at = 0; at < samples.length; at++) samples[at] = (at * seed) % 251
  const bytes = await sharp(samples, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .toFormat(format)
    .toBuffer()
  return { name, bytes }
}

/** Uploads as a program does, with names as they are. */
async function upload(server: OldServer, headers: Headers, files: (Picture & { index?: number })[], path = '/api/async/batch/upload') {
  const parts = files.flatMap(({ index, name, bytes }) => [
    ...(index === undefined ? [] : [part('index', null, String(index))]),
    part('images', name, bytes),
  ])
  const answer = await post<Uploaded>(server, { path, headers, body: Buffer.concat([...parts, END_OF_PARTS]) })
  assert.equal(answer.status, 202, answer.text)
  return answer
}

async function get<T>(server: OldServer, headers: Headers, path: string): Promise<T> {
  const { status, body, text } = await ask<T>(server, path, { headers })
  assert.equal(status, 200, text)
  return body
}

async function order<T>(server: OldServer, headers: Headers, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await send<T>(server, method, path, body, headers)
  assert.ok(answer.status >= 200 && answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
  return answer.body
}

const toSend = ({ name, bytes }: Picture) => ({ name, bytes: bytes.toString('base64') })

/** Resolves with what the server says of itself at the end; the caller kills it then, with what it has in hand. */
export async function leaveBehind(server: OldServer): Promise<LeftBehind> {
  const root = await setUp(server)
  const ada = await letIn(server, root, 'ada@example.org')
  const viewer = await letIn(server, root, 'viewer@example.org')
  const gone = await letIn(server, root, 'gone@example.org')
  await order(server, root.headers, 'PATCH', `/api/admin/users/${ada.id}`, {
    name: 'Ada Łovelace 🌅',
    quota: { bytes: null, images: 1000 },
  })
  const keys = {
    admin: await makeKey(server, root, ['upload', 'read', 'delete', 'admin']),
    member: await makeKey(server, ada, ['upload', 'read', 'delete']),
    // There is no role for it: who may only look has a key for that.
    reader: await makeKey(server, viewer, ['read']),
  }
  await order(server, root.headers, 'PATCH', `/api/admin/users/${gone.id}`, { disabled: true })
  const [admin, member] = [keys.admin.headers, keys.member.headers]
  const image = (id: string) => get<ApiImage>(server, admin, `/api/images/${id}`)
  const untilStatus = (id: string, status: string) =>
    eventually(
      `an image is ${status}`,
      async () => {
        const told = await image(id)
        if (told.status === 'error') throw new Error(`${told.name} could not be developed: ${told.error}`)
        return told.status === status
      },
      60_000,
    )

  // Completed, of each format, with names of many kinds.
  const names = ['plain.jpg', 'tab\tand %22quotes%22 \u202E🌅.png', `${'long/'.repeat(LONG / 5)}é.webp`, `${'日'.repeat(341)}a`, '\uFFFF0']
  const completed = await Promise.all(FORMATS.map((format, at) => picture(names[at]!, format)))
  const { body: all } = await upload(server, member, completed)
  // A name that is just as long as may be today, and one that is a byte longer.
  await upload(server, member, [await picture(`${'x'.repeat(1020)}.png`), await picture(`${'y'.repeat(1021)}.png`)])
  const { body: again } = await upload(server, admin, [{ ...completed[1]!, name: 'the same bytes.png' }])
  const broken = (await picture('broken.jpg', 'jpeg')).bytes
  const { body: failed } = await upload(server, member, [
    { name: `${'ü'.repeat(LONG)}.jpg`, bytes: broken.subarray(0, broken.length >> 1) },
  ])
  await upload(server, member, [await picture('beside a text.png'), { name: `${'no-image/'.repeat(200)}.txt`, bytes: Buffer.from('text') }])

  const repeated = await picture('once.png')
  const key = 'once and for all'
  const first = await upload(server, { ...member, 'idempotency-key': key }, [repeated], '/api/async/upload')

  // Half of a declared batch, by a name that is longer than today's, too.
  const half = [
    await picture('arrived.png'),
    await picture(`${'missing/'.repeat(LONG >> 3)}.png`),
    await picture('miss\0ing\uFFFF.webp', 'webp'),
  ]
  const declare = (files: Picture[]) =>
    order<ApiDeclared>(server, member, 'POST', '/api/batches', { files: files.map(({ name, bytes }) => ({ name, size: bytes.length })) })
  const halfBatch = await declare(half)
  await upload(server, member, [{ ...half[0]!, index: 0 }], `/api/async/batch/upload?batch=${halfBatch.id}`)

  // Deleted, one by one and by a job of an administrator.
  const doomed = [await picture('deleted.png'), await picture('deleted by a job.png')]
  const { body: deleted } = await upload(server, member, doomed)
  for (const { id } of deleted.images) await untilStatus(id, 'completed')
  await order(server, member, 'DELETE', `/api/images/${deleted.images[0]!.id}`)
  const request = { action: 'delete', selection: { ids: [deleted.images[1]!.id] }, confirmed: 1 }
  const job = await order<ApiJob>(server, admin, 'POST', '/api/admin/jobs', request)
  await eventually('the job is done', async () => (await get<ApiJob>(server, admin, `/api/admin/jobs/${job.id}`)).state === 'done')
  const isIdle = async () => {
    const { pending, processing } = await get<ApiQueue>(server, admin, '/api/admin/queue')
    return pending + processing === 0
  }
  await eventually('nothing is in hand', isIdle, 60_000)

  // In hand, for ever; and, with the queue paused, aborted and pending.
  server.freeze()
  const { body: inHand } = await upload(server, member, [await picture('in hand.png')])
  await untilStatus(inHand.images[0]!.id, 'processing')
  await order(server, admin, 'POST', '/api/admin/queue/pause', { minutes: A_DAY_MINUTES, reason: 'an upgrade' })
  const ended = [await picture('cancelled.png'), await picture('never sent.png')]
  const cancelled = await declare(ended)
  await upload(server, member, [{ ...ended[0]!, index: 0 }], `/api/async/batch/upload?batch=${cancelled.id}`)
  await order(server, member, 'POST', `/api/batches/${cancelled.id}/cancel`)
  const { body: waiting } = await upload(server, member, [await picture('waiting.gif', 'gif'), await picture('waiting.avif', 'avif')])

  // What it says of it all.
  const images = await get<ApiAdminImage[]>(server, admin, `/api/admin/images?limit=${PAGE}`)
  const [media, originals]: Record<string, string>[] = [{}, {}]
  const hash = async (path: string) => {
    const answer = await fetch(server.url + path, { headers: admin })
    assert.equal(answer.status, 200, path)
    return sha256Of(new Uint8Array(await answer.arrayBuffer()))
  }
  for (const { id, image, thumbnail } of images) {
    for (const path of [image, thumbnail]) if (path) media![path] = await hash(path)
    originals![id] = await hash(`/api/images/${id}/original`)
  }
  const batches = await get<ApiBatch[]>(server, admin, `/api/batches?limit=${PAGE}`)
  const withFiles = batches.map(async (batch) => ({
    ...batch,
    files: await get<ApiBatchFile[]>(server, admin, `/api/batches/${batch.id}?status=all&limit=${PAGE}`),
  }))
  const listed = await get<ApiKey[]>(server, admin, '/api/admin/keys')
  const told = ({ key, id }: { key: string; id: string }) => ({ key, facts: listed.find((one) => one.id === id)! })
  const counts = Map.groupBy(images, ({ status }) => status)
  for (const status of ['completed', 'error', 'pending', 'processing', 'aborted'] as const)
    assert.ok(counts.get(status), `no image is ${status}`)
  assert.equal(counts.get('error')!.length, 1, JSON.stringify(counts.get('error')))
  return {
    images,
    media: media!,
    originals: originals!,
    batches: await Promise.all(withFiles),
    users: await get<ApiUser[]>(server, admin, '/api/admin/users'),
    password: PASSWORD,
    keys: { admin: told(keys.admin), member: told(keys.member), reader: told(keys.reader) },
    session: ada.cookie,
    audit: (await get<ApiAuditEntry[]>(server, admin, '/api/admin/audit')).map(({ id }) => id),
    pause: (await get<ApiQueue>(server, admin, '/api/admin/queue')).pause,
    repeatable: { key, file: toSend(repeated), status: first.status, text: first.text },
    halfArrived: { batch: halfBatch.id, missing: [1, 2].map((index) => ({ index, ...toSend(half[index]!) })) },
    cancelled: { batch: cancelled.id },
    failed: failed.images[0]!.id,
    pending: waiting.images.map(({ id }) => id),
    processing: inHand.images[0]!.id,
    same: [all.images[1]!.id, again.images[0]!.id],
    released: doomed.map(({ bytes }) => sha256Of(bytes)),
  }
}
