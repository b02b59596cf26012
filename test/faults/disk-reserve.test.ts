// A disk that is full to the last byte: what frees room still works, a start and a stop too, and nothing is taken in until there is room again.
import assert from 'node:assert/strict'
import { mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { login, setUp } from '../support/clients/accounts.ts'
import { allFinal, ask, eventually, listImages, upload, type SentFile } from '../support/clients/client.ts'
import { calotype } from '../support/servers/command.ts'
import { audit, filesIn } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'
import { tellFigures } from './run/figures.ts'
import { mountSmallDisk } from './run/rooms.ts'

const DISK_BYTES = 160 * 2 ** 20
const RESERVE_BYTES = 32 * 2 ** 20
/** It is made with the first sweep, 10 s after the start. */
const MADE_MS = 30_000
const ENV = { LOG_LEVEL: 'warn', BLOB_GRACE_SECONDS: '0' }

let seed = 0
async function newFiles(count: number): Promise<SentFile[]> {
  return (await smallPhotographs(count, { seed })).map((bytes) => ({ name: `${seed++}.jpg`, bytes }))
}

const reserveIn = (folder: string) => statSync(join(folder, 'calotype.reserve'), { throwIfNoEntry: false })
const isMade = (folder: string) =>
  eventually('the reserve is made', async () => (reserveIn(folder)?.size ?? 0) === RESERVE_BYTES && reserveIn(folder)!, MADE_MS)

test('images can be deleted on a full disk, and uploads are refused until there is room', { timeout: 120_000 }, async (t) => {
  using disk = mountSmallDisk(DISK_BYTES)
  const dataDir = join(disk.folder, 'data')
  await using server = await startServer({ dataDir, env: ENV })
  const sent = await newFiles(4)
  assert.equal((await upload(server, 'batch', sent)).status, 202)
  const images = await allFinal(server)
  const { blocks } = await isMade(dataDir)
  assert.ok(blocks * 512 >= RESERVE_BYTES, 'it really takes up its room')

  disk.fillUp()
  const [another] = await newFiles(1)
  assert.equal((await upload(server, 'sync', [another!])).body.code, 'storage_full')
  assert.equal(reserveIn(dataDir)!.size, RESERVE_BYTES, 'uploads do not use it')
  const deleted = await ask(server, `/api/images/${images[0]!.id}`, { method: 'DELETE' })
  assert.equal(deleted.status, 204, deleted.text)
  assert.equal(reserveIn(dataDir)!.size, 0)
  // There is room now; it is not for them.
  for (const endpoint of ['sync', 'async', 'batch'] as const) {
    const refused = await upload(server, endpoint, [another!])
    assert.deepEqual([refused.status, refused.body.code], [507, 'storage_full'])
  }
  const declared = await ask(server, '/api/batches', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ files: [{ name: 'a.jpg', size: 1_000 }] }),
  })
  assert.equal(declared.status, 507, declared.text)
  await eventually('the bytes are gone', async () => (await filesIn(dataDir, 'originals')).length === 3, MADE_MS)
  const told = server
    .output()
    .split('\n')
    .filter((line) => line.includes('its reserve of 32 MiB was given up'))
  assert.equal(told.length, 1, server.output())

  disk.free()
  await eventually('uploads are taken', async () => (await upload(server, 'sync', [another!])).status === 200)
  await isMade(dataDir)
  assert.equal(await server.stop(), 0)
  const { rowsWithoutBytes, bytesWithoutRows, temporary } = await audit({ dataDir })
  assert.deepEqual({ rowsWithoutBytes, bytesWithoutRows, temporary }, { rowsWithoutBytes: [], bytesWithoutRows: [], temporary: [] })
  tellFigures(t, 'disk full to the last byte', 'embedded', { note: 'deleting works' })
})

test('a server stops in order on a full disk, starts on it, and all its images can be deleted', { timeout: 120_000 }, async (t) => {
  using disk = mountSmallDisk(DISK_BYTES)
  const dataDir = join(disk.folder, 'data')
  {
    await using server = await startServer({ dataDir, env: ENV })
    await isMade(dataDir)
    // Some of it is pending and being developed when the disk is full.
    assert.equal((await upload(server, 'batch', await newFiles(60))).status, 202)
    disk.fillUp()
    assert.equal(await server.stop(), 0, server.output())
  }
  {
    await using server = await startServer({ dataDir, env: ENV })
    assert.equal((await listImages(server)).length, 60)
    assert.equal((await upload(server, 'sync', await newFiles(1))).status, 507)
    assert.equal(await server.stop(), 0, server.output())
  }
  const emptied = await calotype(['images', 'delete', '--all', '--yes'], { ...ENV, DATA_DIR: dataDir })
  assert.deepEqual([emptied.code, emptied.stdout], [0, 'Deleted 60 images.\n'], emptied.stderr)
  assert.deepEqual(await filesIn(dataDir, 'originals'), [])
  tellFigures(t, 'disk full to the last byte', 'embedded', { note: 'a stop, a start, deleting all' })
})

test('people sign in on a full disk, and the command deletes beside the server', { timeout: 120_000 }, async (t) => {
  using disk = mountSmallDisk(DISK_BYTES)
  const [dataDir, rows] = [join(disk.folder, 'data'), join(disk.folder, 'rows')]
  for (const folder of [dataDir, rows]) mkdirSync(folder)
  using otherDisk = mountSmallDisk(DISK_BYTES)
  // Rows on a disk of their own: SQLite follows a link.
  symlinkSync(join(otherDisk.folder, 'calotype.sqlite'), join(dataDir, 'calotype.sqlite'))
  const env = { ...ENV, AUTH: 'required', DATA_DIR: dataDir }
  await using server = await startServer({ dataDir, env })
  await isMade(dataDir)
  await isMade(otherDisk.folder)
  const { email } = await setUp(server)
  disk.fillUp()
  otherDisk.fillUp()
  const signedIn = await login(server, email)
  assert.equal(signedIn.status, 200, signedIn.text)
  const emptied = await calotype(['images', 'delete', '--all', '--yes'], env)
  assert.deepEqual([emptied.code, emptied.stdout], [0, 'Deleted 0 images.\n'], emptied.stderr)
  assert.equal(await server.stop(), 0, server.output())
  tellFigures(t, 'disk full to the last byte', 'embedded', { note: 'of the database, signing in' })
})

test('a start on a full disk that never had a reserve says what to do', async (t: TestContext) => {
  using disk = mountSmallDisk(2 ** 20)
  const dataDir = join(disk.folder, 'data')
  mkdirSync(dataDir)
  disk.fillUp()
  const { code, stderr } = await calotype(['images', 'delete', '--all', '--yes'], { ...ENV, DATA_DIR: dataDir })
  assert.equal(code, 1)
  assert.match(stderr, /^The disk of DATA_DIR .* is full\. Make some room .*`calotype images delete --all`\.\n$/)
  tellFigures(t, 'disk full to the last byte', 'embedded', { note: 'without a reserve' })
})
