// A disk of 16 MB that is full, of the media and of the database, each on its own: 507, nothing half there, and on once there is room.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import { sendUnit } from '../cluster/ledger.ts'
import { eventually, listImages, upload, type SentFile } from '../support/clients/client.ts'
import { audit, query } from '../support/servers/data-dir.ts'
import { longTest } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { mountSmallDisk, type SmallDisk } from './run/rooms.ts'
import { onEachTopology, type Subject } from './run/subject.ts'

const DISK_BYTES = 16 * 2 ** 20
/** An upload that could not even be undone is given up after its lease of 15 s, and its bytes with a sweep after that. */
const UNDONE_MS = 90_000

let seed = 0
async function newFiles(count: number, bytes?: number): Promise<SentFile[]> {
  const photographs = await smallPhotographs(count, { seed, ...(bytes !== undefined && { bytes }) })
  return photographs.map((each) => ({ name: `${seed++}.jpg`, bytes: each }))
}

/** Fills the disk, is refused, makes room, and is taken. `leftBytes` are too few for `refused`. */
async function fillAndFree(subject: Subject, disk: SmallDisk, refused: SentFile[][], leftBytes: number): Promise<number> {
  const before = await newFiles(2)
  await sendUnit(subject, { endpoint: 'async', files: before }, subject.ledger)
  await eventually('they are done', async () => (await listImages(subject)).every(({ status }) => status === 'completed'), UNDONE_MS)
  disk.fill(leftBytes)
  for (const files of refused) {
    const answer = await upload(subject, 'async', files)
    assert.deepEqual([answer.status, answer.body.code], [507, 'storage_full'], answer.text)
  }
  assert.equal((await upload(subject, 'sync', [{ name: 'none.jpg', bytes: refused[0]![0]!.bytes }])).status, 507)
  // Whoever reads is not concerned.
  assert.equal((await listImages(subject)).length, 2)
  disk.free()
  const left = async () => {
    const { images, temporary, bytesWithoutRows, rowsWithoutBytes } = await audit(subject)
    return { images: images.length - before.length, temporary, bytesWithoutRows, rowsWithoutBytes }
  }
  const nothing = { images: 0, temporary: [], bytesWithoutRows: [], rowsWithoutBytes: [] }
  const isUndone = async () => isDeepStrictEqual(await left(), nothing)
  await eventually('nothing of it is left', isUndone, UNDONE_MS).catch(async () =>
    assert.deepEqual(await left(), nothing, subject.server.output()),
  )
  assert.equal((await query(subject, "select id from images where status = 'aborted'")).length, 0)
  for (const files of refused) await sendUnit(subject, { endpoint: 'async', files }, subject.ledger)
  return 2 + refused.flat().length
}

/** SQLite follows a link, and keeps its log beside the file it leads to. */
const linkRows = (folder: string) => (dataDir: string) => symlinkSync(join(folder, 'calotype.sqlite'), join(dataDir, 'calotype.sqlite'))

const LARGE = 3 * 2 ** 20

onEachTopology((topology, open, engines) => {
  const media = async (t: TestContext) => {
    using disk = mountSmallDisk(DISK_BYTES)
    using rows = mountSmallDisk(DISK_BYTES)
    await using subject = await open({
      dataDir: join(disk.folder, 'data'),
      ...(topology === 'embedded' && { prepare: linkRows(rows.folder) }),
    })
    // A large one that does not fit, and one among small ones that do.
    const sent = await fillAndFree(
      subject,
      disk,
      [await newFiles(1, LARGE), [...(await newFiles(2)), ...(await newFiles(1, LARGE))]],
      2 ** 20,
    )
    assertWell(t, 'disk of the media full', topology, await settle(subject, { sent }))
  }
  if (topology === 'embedded') test('the disk of the media is full', { timeout: 180_000 }, media)
  else longTest('the disk of the media is full', media)

  const database = async (t: TestContext) => {
    using disk = mountSmallDisk(DISK_BYTES)
    const folder = join(disk.folder, 'rows')
    mkdirSync(folder)
    const prepared = topology === 'embedded' ? undefined : await databaseOn(folder)
    {
      await using subject = await open(prepared ? { env: { DATABASE_URL: prepared.url } } : { prepare: linkRows(folder) })
      const sent = await fillAndFree(subject, disk, [await newFiles(40), await newFiles(60)], 0)
      assertWell(t, 'disk of the database full', topology, await settle(subject, { sent }))
    }
    await prepared?.drop()
  }

  /** A database of PostgreSQL whose tables lie in a folder; its log does not. */
  async function databaseOn(folder: string) {
    const { uid, gid } = statSync(join(engines().folder, 'postgres', 'data'))
    spawnSync('chown', [`${uid}:${gid}`, folder])
    const run = async (...statements: string[]) => {
      const client = new pg.Client({ connectionString: engines().directDatabaseUrl })
      await client.connect()
      for (const statement of statements) await client.query(statement)
      await client.end()
    }
    await run(`create tablespace small location '${folder}'`, 'create database small tablespace small')
    return {
      url: engines().directDatabaseUrl.replace(/[^/]+$/, 'small'),
      drop: () => run('drop database small with (force)', 'drop tablespace small'),
    }
  }
  if (topology === 'embedded') test('the disk of the database is full', { timeout: 180_000 }, database)
  else longTest('the disk of the database is full', database)
})
