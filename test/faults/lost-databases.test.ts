// Databases that are lost, or an older copy put back, and stores that are not mounted: no acknowledged byte is deleted for it.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiOverview } from '../../src/api/admin.ts'
import type { FindingCode } from '../../src/flow/doctor/findings.ts'
import { originalKey } from '../../src/rendition/keys.ts'
import { allFinal, ask, eventually, listImages, upload } from '../support/clients/client.ts'
import { calotype, doctor } from '../support/servers/command.ts'
import { filesIn, query } from '../support/servers/data-dir.ts'
import { copyDatabase, loseDatabase, takeStoreAway, type DatabaseCopy } from '../support/servers/database-copies.ts'
import { longTest } from '../support/long-form.ts'
import { metricsUrl, scrape } from '../support/clients/metrics.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { tellFigures } from './run/figures.ts'
import { onEachTopology, type Subject } from './run/subject.ts'

/** The server's sweep comes every ten seconds, the first so long after its start. */
const SWEPT_MS = 11_000
const WAYS = 50
const OF_THE_STORE: FindingCode[] = ['unknown_original', 'deletion_halted', 'orphan', 'original_missing']

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** What was acknowledged and never deleted: by its hash. */
class Kept extends Map<string, Buffer> {
  readonly ids = new Map<string, string>()
}

async function send({ url }: Subject, kept: Kept, all: Buffer[]): Promise<void> {
  const files = all.map((bytes) => ({ name: `${hashOf(bytes)}.jpg`, bytes }))
  const { status, body } = await upload({ url }, 'batch', files)
  assert.equal(status, 202)
  for (const [at, { id }] of body.images.entries()) {
    const bytes = all[at]!
    kept.set(hashOf(bytes), bytes)
    kept.ids.set(hashOf(bytes), id)
  }
}

async function remove(subject: Subject, kept: Kept, sha256: string): Promise<void> {
  // Every image of these bytes: a copy of the database may have others than were last acknowledged.
  for (const { id, name } of await listImages(subject))
    if (name === `${sha256}.jpg`) assert.equal((await ask(subject, `/api/images/${id}`, { method: 'DELETE' })).status, 204)
  kept.delete(sha256)
}

function assertKept({ dataDir }: Subject, kept: Kept, elsewhere?: string): void {
  for (const [sha256, bytes] of kept) {
    const path = [dataDir, elsewhere].flatMap((folder) => folder ?? []).map((folder) => join(folder, originalKey(sha256)))
    const found = path.find((one) => existsSync(one))
    assert.ok(found, `an acknowledged original was deleted: ${sha256}`)
    assert.ok(readFileSync(found).equals(bytes), `an acknowledged original has other bytes: ${sha256}`)
  }
}

async function end(subject: Subject, how: 'SIGKILL' | 'in order'): Promise<void> {
  const all = [subject.server, ...(subject.worker ? [subject.worker] : [])]
  await Promise.all(all.map((one) => (how === 'SIGKILL' ? one.kill('SIGKILL') : one.stop())))
}

async function storeFindings(subject: Subject, ...args: string[]) {
  const { findings } = await doctor(subject.env, '--sample', '0', '--grace', '0', ...args)
  return findings.map(({ code }) => code).filter((code) => OF_THE_STORE.includes(code))
}

onEachTopology((topology, open) => {
  // What commands do afterwards is told by the adapters that other tests try: in a cluster, with all its processes, it is for the long form.
  const embeddedOrLong = topology === 'embedded' ? test : longTest

  describe('a database that is lost', { concurrency: true }, () => {
    test('has nothing deleted; the start says what was found, and its originals are adopted', async () => {
      await using subject = await open({ env: { LOG_LEVEL: 'warn' }, envOf: { serve: { METRICS_PORT: '0' } } })
      const kept = new Kept()
      await send(subject, kept, await smallPhotographs(3, { seed: 10 }))
      await allFinal(subject)
      await end(subject, 'SIGKILL')
      await loseDatabase(subject)
      await subject.revive()
      assert.equal((await ask(subject, '/readyz')).status, 200)
      assert.match(
        subject.server.output(),
        /Deletion is halted: the store has 3 originals .* put the newest copy.*`calotype restore`.*--adopt/,
      )

      const { deletion_halt: halt } = (await ask<ApiOverview>(subject, '/api/admin/overview')).body
      assert.deepEqual([halt?.reason, halt?.originals], ['unknown_originals', 3])
      assert.match(halt?.message ?? '', /^Deletion is halted: /)
      const metrics = await scrape(metricsUrl(subject.server.output()))
      assert.deepEqual([metrics.value('calotype_deletion_halted'), metrics.value('calotype_unknown_originals')], [1, 3])

      // What is deleted now stays, too, until a person has decided.
      const [own] = await smallPhotographs(1, { seed: 20 })
      await send(subject, kept, [own!])
      await remove(subject, kept, hashOf(own!))
      await wait(SWEPT_MS)
      assertKept(subject, kept)
      assert.ok(existsSync(join(subject.dataDir, originalKey(hashOf(own!)))))
      const times = (count: number, code: FindingCode) => Array.from({ length: count }, () => code)
      const expected = ['deletion_halted', ...times(6, 'orphan'), ...times(3, 'unknown_original')]
      assert.deepEqual((await storeFindings(subject)).sort(), expected)
      assert.deepEqual((await storeFindings(subject, '--repair')).sort(), expected)
      assertKept(subject, kept)

      const refused = await calotype(['doctor', '--repair', '--delete-unknown'], subject.env)
      assert.match(
        refused.stderr,
        /Add --yes to delete 3 originals \(0\.\d MB, stored from \d{4}-\d\d-\d\d \d\d:\d\d to .* that the database does not know/,
      )
      const adopted = await calotype(['doctor', '--adopt'], subject.env)
      assert.match(adopted.stderr, /Made 3 images/)
      const images = await allFinal(subject)
      assert.deepEqual(
        images.map(({ status, type, size, name }) => ({ status, type, size, name })).sort((a, b) => (a.name < b.name ? -1 : 1)),
        [...kept]
          .map(([sha256, { length: size }]) => ({
            status: 'completed',
            type: 'image/jpeg',
            size,
            name: `adopted-${sha256.slice(0, 12)}.jpg`,
          }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      )
      assert.deepEqual(await storeFindings(subject), [])
      await eventually('deletion goes on', async () => (await filesIn(subject.dataDir, 'originals')).length === 3, 2 * SWEPT_MS)
      assertKept(subject, kept)
    })

    embeddedOrLong('has its originals deleted where a person says so, and nothing else', async () => {
      await using subject = await open()
      await send(subject, new Kept(), await smallPhotographs(2, { seed: 30 }))
      await allFinal(subject)
      await end(subject, 'in order')
      await loseDatabase(subject)
      await subject.revive()
      const kept = new Kept()
      await send(subject, kept, await smallPhotographs(1, { seed: 40 }))
      await allFinal(subject)
      const alone = await calotype(['doctor', '--delete-unknown', '--yes'], subject.env)
      assert.match(alone.stderr, /--delete-unknown goes with --repair/)
      const deleted = await calotype(['doctor', '--repair', '--delete-unknown', '--yes'], subject.env)
      assert.match(deleted.stderr, /Deleted 2 originals/)
      assert.equal((await filesIn(subject.dataDir, 'originals')).length, 1)
      assert.equal((await filesIn(subject.dataDir, 'renditions')).length, 2)
      assertKept(subject, kept)
      assert.deepEqual(await storeFindings(subject), [])
    })

    test('is an older copy: what was uploaded since stays, also bytes that the copy has as deleted', async () => {
      for (const how of ['SIGKILL', 'in order'] as const) {
        await using subject = await open({ env: { LOG_LEVEL: 'warn' } })
        const kept = new Kept()
        const [first, again, later] = await smallPhotographs(3, { seed: 50 })
        await send(subject, kept, [first!, again!])
        await remove(subject, kept, hashOf(again!))
        const older = await copyDatabase(subject)
        await send(subject, kept, [again!, later!])
        await end(subject, how)
        const newest = await copyDatabase(subject)
        await older.putBack()
        await subject.revive()
        await wait(SWEPT_MS)
        assertKept(subject, kept)
        // At the start, or, where servers come and go and nobody knows of a crash, when the first bytes would be deleted.
        assert.match(subject.server.output(), /"reason":"unknown_originals"/)
        await end(subject, how)
        await newest.putBack()
        await subject.revive()
        assert.equal((await allFinal(subject)).length, 3)
        assert.deepEqual(await storeFindings(subject), [])
        assertKept(subject, kept)
      }
    })

    embeddedOrLong('is restored from a backup, beside the originals that are there', async () => {
      await using subject = await open()
      const kept = new Kept()
      await send(subject, kept, await smallPhotographs(2, { seed: 80 }))
      await allFinal(subject)
      const folder = join(subject.dataDir, '../backup')
      assert.equal((await calotype(['backup', folder], subject.env)).code, 0)
      await send(subject, kept, await smallPhotographs(1, { seed: 90 }))
      await end(subject, 'in order')
      await loseDatabase(subject)
      const restored = await calotype(['restore', folder], subject.env)
      assert.equal(restored.code, 1, restored.stderr)
      assert.match(restored.stdout, /the store has 1 originals .*\[deletion_halted\]/)
      await subject.revive()
      assert.equal((await allFinal(subject)).length, 2)
      assertKept(subject, kept)
      await calotype(['doctor', '--adopt', '--sample', '0'], subject.env)
      assert.equal((await allFinal(subject)).length, 3)
      assert.deepEqual(await storeFindings(subject), [])
    })

    embeddedOrLong('is deliberately left behind with --new', async () => {
      await using subject = await open()
      const kept = new Kept()
      await send(subject, kept, await smallPhotographs(2, { seed: 60 }))
      await end(subject, 'in order')
      await loseDatabase(subject)
      const { PORT: _, ...env } = subject.env
      // A start that is asked for, and ends at once because its port is taken.
      const started = await calotype(['serve', '--new'], { ...env, HOST: '203.0.113.1', AUTH: 'open', PORT: '0' })
      assert.match(started.stderr, /not an address of this machine/)
      await subject.revive()
      const { findings, summary } = await doctor(subject.env, '--sample', '0')
      assert.deepEqual(
        findings.filter(({ code }) => OF_THE_STORE.includes(code)),
        [],
      )
      assert.equal(summary.accepted, 2)
      assertKept(subject, kept)
    })
  })

  test('a store that is not mounted has nothing deleted, and no image given up', async () => {
    await using subject = await open({ env: { LOG_LEVEL: 'warn' } })
    const kept = new Kept()
    await send(subject, kept, await smallPhotographs(2, { seed: 70 }))
    await allFinal(subject)
    await end(subject, 'SIGKILL')
    const { bringBack, folder } = takeStoreAway(subject)
    await subject.revive()
    assert.match(subject.server.output(), /Deletion is halted: this does not look like the store that the database belongs to/)
    assert.equal((await ask(subject, '/readyz')).status, 200)
    assert.deepEqual(
      (await listImages(subject)).map(({ status }) => status),
      ['completed', 'completed'],
    )
    assertKept(subject, kept, folder)
    await end(subject, 'in order')
    bringBack()
    await subject.revive()
    assert.doesNotMatch(subject.server.output(), /Deletion is halted/)
    assert.deepEqual(await storeFindings(subject), [])
    assertKept(subject, kept)
  })

  longTest(`lost, aged and swapped in ${WAYS} random ways between crashes`, async (t) => {
    await using subject = await open({ env: { LOG_LEVEL: 'warn' } })
    const kept = new Kept()
    const copies: DatabaseCopy[] = []
    let away: ReturnType<typeof takeStoreAway> | null = null
    let [sent, halted] = [0, 0]
    const oneOf = <T>(all: T[]) => all[Math.floor(Math.random() * all.length)]!
    const deleted: Buffer[] = []
    for (let way = 0; way < WAYS; way++) {
      const fresh = await smallPhotographs(2, { seed: 1_000 + sent })
      sent += fresh.length
      if (!away) await send(subject, kept, [...fresh, ...(deleted.length > 0 && Math.random() < 0.5 ? [oneOf(deleted)] : [])])
      if (kept.size > 4 && Math.random() < 0.5 && !away) {
        const sha256 = oneOf([...kept.keys()])
        deleted.push(kept.get(sha256)!)
        await remove(subject, kept, sha256)
      }
      if (Math.random() < 0.5) copies.push(await copyDatabase(subject))
      if (!away) await send(subject, kept, await smallPhotographs(1, { seed: 5_000 + way }))
      await wait(Math.random() * 500)
      await end(subject, oneOf(['SIGKILL', 'in order'] as const))
      const mishap = oneOf(['none', 'lost', 'aged', 'aged', 'store away'] as const)
      away?.bringBack()
      away = null
      if (mishap === 'lost') await loseDatabase(subject)
      if (mishap === 'aged' && copies.length > 0) await oneOf(copies).putBack()
      if (mishap === 'store away') away = takeStoreAway(subject)
      await subject.revive()
      if (/Deletion is halted/.test(subject.server.output())) halted++
      // The first sweep after a start comes after ten seconds; a repair does at once all that may be done.
      await doctor(subject.env, '--repair', '--sample', '0', '--grace', '0')
      if (way % 5 === 4) await wait(SWEPT_MS)
      assertKept(subject, kept, away?.folder)
      // Where nothing is unknown, or a person has decided, deletion goes on.
      if (Math.random() < 0.3 && !away) await calotype(['doctor', '--adopt', '--sample', '0'], subject.env)
    }
    away?.bringBack()
    assertKept(subject, kept)
    tellFigures(t, `${WAYS} ways to lose databases and stores`, topology, {
      note: `${kept.size} acknowledged originals kept; ${halted} of ${WAYS} starts halted deletion; ${copies.length} copies`,
    })
    // The last mishap may have left no row at all: what is kept can be adopted.
    await calotype(['doctor', '--adopt', '--sample', '0'], subject.env)
    const [known] = await query<{ originals: number }>(subject, 'select count(*) as originals from originals where released_at is null')
    assert.ok(known!.originals >= kept.size, `${known!.originals} of ${kept.size} originals are known again`)
  })
})
