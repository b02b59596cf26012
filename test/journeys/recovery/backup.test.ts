// A backup of running servers under load, restored into an empty place: nothing acknowledged before it is missing, every original is the same.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import { originalKey } from '../../../src/rendition/keys.ts'
import { allFinal, ask, listImages, upload } from '../../support/clients/client.ts'
import { calotype as command, doctor } from '../../support/servers/command.ts'
import { audit } from '../../support/servers/data-dir.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer } from '../../support/servers/server.ts'
import { onEachTopology, type Calotype } from '../../support/servers/topologies.ts'

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const CLI = join(import.meta.dirname, '../../../src/cli.ts')
const SMALL = { LOG_LEVEL: 'error', MAX_FILE_BYTES: '1000000' }

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-backup-'))
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** The settings of an empty place of the same kind; in a cluster, a database and a folder beside those it has. */
async function emptyPlace(t: TestContext, { env, databaseUrl }: Calotype): Promise<Record<string, string>> {
  const place = { ...SMALL, DATA_DIR: await newFolder(t) }
  if (databaseUrl === undefined) return place
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const name = `restored_${process.pid}_${Date.now()}`
  await client.query(`create database ${name}`).finally(() => client.end())
  const database = new URL(databaseUrl)
  database.pathname = name
  // Hints in a database of their own: the workers of the others would take them, and find no such images in their rows.
  const redis = new URL(env.REDIS_URL!)
  redis.pathname = '1'
  return { ...place, DATABASE_URL: database.href, REDIS_URL: redis.href }
}

/** A server there, and in a cluster a worker; gone when the test ends. */
async function startIn(t: TestContext, env: Record<string, string>) {
  const server = await startServer({ env, dataDir: env.DATA_DIR! })
  t.after(() => server.stop())
  if (env.DATABASE_URL !== undefined) {
    const worker = spawn(process.execPath, [CLI, 'worker'], {
      env: { ...process.env, ...env, WORKER_PORT: '0' },
      cwd: tmpdir(),
      stdio: 'ignore',
    })
    t.after(async () => {
      const ended = once(worker, 'exit')
      worker.kill('SIGTERM')
      await ended
    })
  }
  return server
}

/** Between two uploads: a slow machine is not to have ever more to restore. */
const LOAD_PAUSE_MS = 50

/** Uploads some photographs after the others until told to end; and deletes some, so that bytes go while they are copied. */
function load(calotype: Calotype, seed: number) {
  const acknowledged = new Map<string, string>()
  const deleted = new Set<string>()
  let isOver = false
  async function run() {
    for (let at = seed; !isOver; at += 4) {
      const photographs = await smallPhotographs(4, { seed: at })
      const { status, body } = await upload(
        calotype,
        'async',
        photographs.map((bytes, index) => ({ name: `${at}-${index}.jpg`, bytes })),
      )
      assert.equal(status, 202)
      body.images.forEach(({ id }, index) => acknowledged.set(id, hashOf(photographs[index]!)))
      const [first] = body.images
      deleted.add(first!.id)
      await ask(calotype, `/api/images/${first!.id}`, { method: 'DELETE' })
      await wait(LOAD_PAUSE_MS)
    }
  }
  const running = run()
  return {
    acknowledged,
    deleted,
    async end() {
      isOver = true
      await running
    },
  }
}

async function assertSameOriginals(server: { url: string }, images: ApiImage[], expected: Map<string, string>) {
  for (const { id } of images) {
    const answer = await fetch(`${server.url}/api/images/${id}/original`)
    assert.equal(answer.status, 200)
    assert.equal(hashOf(new Uint8Array(await answer.arrayBuffer())), expected.get(id))
  }
}

onEachTopology({ ...SMALL, BLOB_GRACE_SECONDS: '0' }, (calotype) => {
  test('a backup under load, restored into an empty place, has all that was acknowledged before it', async (t) => {
    const loading = load(calotype, 1_000)
    while (loading.acknowledged.size < 24) await wait(50)
    const before = new Map(loading.acknowledged)
    const folder = join(await newFolder(t), 'backup')
    const { code, stdout, stderr } = await command(['backup', folder], calotype.env)
    await loading.end()
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /^Backed up \d+ images, and \d+ originals \(.* MB\) with their bytes, verified by SHA-256/m)
    assert.match(stdout, /Developed images are not in it/)

    const env = await emptyPlace(t, calotype)
    const restored = await command(['restore', folder], env)
    assert.equal(restored.code, 0, restored.stdout + restored.stderr)
    const server = await startIn(t, env)
    const images = await allFinal(server, 120_000)
    assert.ok(images.every(({ status }) => status === 'completed'))
    const ids = new Set(images.map(({ id }) => id))
    for (const id of before.keys()) assert.ok(ids.has(id) || loading.deleted.has(id), 'acknowledged before the backup, and not in it')
    await assertSameOriginals(server, images, loading.acknowledged)
    assert.deepEqual((await doctor(env)).findings, [])
    const { rowsWithoutBytes, bytesWithoutRows } = await audit({ dataDir: env.DATA_DIR!, databaseUrl: env.DATABASE_URL })
    assert.deepEqual([rowsWithoutBytes, bytesWithoutRows], [[], []])

    const again = await command(['restore', folder], env)
    assert.deepEqual([again.code, again.stdout], [1, ''])
    assert.match(again.stderr, /empty place/)
  })

  test('a backup goes to the other topology, and has its faults said', async (t) => {
    await allFinal(calotype)
    const images = await listImages(calotype)
    const [missing, whole] = [images[0]!, images[1]!]
    const hashes = new Map<string, string>()
    for (const { id } of [missing, whole]) {
      const answer = await fetch(`${calotype.url}/api/images/${id}/original`)
      hashes.set(id, hashOf(new Uint8Array(await answer.arrayBuffer())))
    }
    const place = await newFolder(t)
    const linked = await command(['backup', join(place, 'linked'), '--originals', 'link'], calotype.env)
    assert.equal(linked.code, 0, linked.stdout + linked.stderr)
    const key = originalKey(hashes.get(whole.id)!)
    assert.equal((await stat(join(place, 'linked', key))).ino, (await stat(join(calotype.dataDir, key))).ino)

    const lost = join(calotype.dataDir, originalKey(hashes.get(missing.id)!))
    const bytes = await readFile(lost)
    await rm(lost)
    const folder = join(place, 'backup')
    const faulty = await command(['backup', folder], calotype.env)
    await writeFile(lost, bytes)
    assert.equal(faulty.code, 1)
    assert.match(faulty.stdout, new RegExp(`^original_missing: ${originalKey(hashes.get(missing.id)!)}$`, 'm'))

    // Embedded, whatever it came from; where it came from a server alone, that is only another folder.
    const env = { ...SMALL, DATA_DIR: join(place, 'restored') }
    const restored = await command(['restore', folder], env)
    assert.equal(restored.code, 1)
    assert.match(restored.stdout, new RegExp(`${hashes.get(missing.id)} \\[original_missing\\]`))
    const server = await startIn(t, env)
    const there = await allFinal(server, 120_000)
    assert.equal(there.length, images.length)
    assert.deepEqual(
      [there.filter(({ status }) => status === 'error').map(({ id, code }) => [id, code])],
      [[[missing.id, 'original_missing']]],
    )
    await assertSameOriginals(server, [whole], hashes)
  })

  test('a list alone is restored where the bytes are, and says which are not', async (t) => {
    await allFinal(calotype)
    const folder = join(await newFolder(t), 'backup')
    const { code, stdout } = await command(['backup', folder, '--originals', 'list'], calotype.env)
    assert.equal(code, 0, stdout)
    assert.deepEqual((await readdir(folder)).sort(), ['faults.jsonl', 'manifest.json', 'rows'])
    const env = await emptyPlace(t, calotype)
    const restored = await command(['restore', folder], env)
    assert.equal(restored.code, 1)
    assert.match(restored.stdout, /An original is missing: .* \[original_missing\]/)
    const server = await startIn(t, env)
    const images = await allFinal(server)
    assert.ok(images.length > 0 && images.every((image) => image.code === 'original_missing'))
    const original = await ask<ApiError>(server, `/api/images/${images[0]!.id}/original`)
    assert.deepEqual([original.status, original.body.code], [500, 'original_missing'])
  })

  test('what is no whole backup, and a place that is not empty, are refused', async (t) => {
    await allFinal(calotype)
    const place = await newFolder(t)
    const refused = async (args: string[], env: Record<string, string>, sentence: RegExp) => {
      const { code, stdout, stderr } = await command(args, env)
      assert.deepEqual([code, stdout], [1, ''], stderr)
      assert.match(stderr, sentence)
    }
    const folder = join(place, 'backup')
    assert.equal((await command(['backup', folder], calotype.env)).code, 0)
    await refused(['backup', folder], calotype.env, /is not empty\. Name a folder that is new/)
    await refused(
      ['backup', join(place, 'other'), '--originals', 'some'],
      calotype.env,
      /--originals is "some"; it must be one of copy, link, list/,
    )
    await refused(['restore', folder], calotype.env, /empty place|works on DATA_DIR/)
    await refused(['restore', join(place, 'nowhere')], await emptyPlace(t, calotype), /is not a whole backup: it has no manifest\.json/)
    await appendFile(join(folder, 'rows', 'images.jsonl'), '\n')
    await refused(['restore', folder], await emptyPlace(t, calotype), /images\.jsonl is not what its manifest says/)
    await truncate(join(folder, 'manifest.json'), 20)
    await refused(['restore', folder], await emptyPlace(t, calotype), /is not a whole backup/)
  })
})
