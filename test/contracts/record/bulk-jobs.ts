// What every store of bulk jobs guarantees; run on each database.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../../src/db/schema.ts'
import type { BulkJobs, NewJob } from '../../../src/record/admin/bulk-jobs.ts'
import { createSqlBulkJobs } from '../../../src/record/admin/sql-bulk-jobs.ts'
import type { OpenDatabase } from '../../support/engines/databases.ts'

const newJob = (more: Partial<NewJob> = {}): NewJob => ({
  id: uuidv7(),
  action: 'retry',
  selection: { filter: { code: 'invalid_image', q: 'a"%' } },
  total: 1_000,
  by: 'root@example.org',
  actor: { via: 'session', userId: 'root', credentialId: null, address: '::1' },
  ...more,
})
const mine = { token: 'mine', ms: 60_000 }
const other = { token: 'other', ms: 60_000 }

export function bulkJobsContract(open: OpenDatabase): void {
  const it = (name: string, body: (jobs: BulkJobs, database: Database) => Promise<void>): void =>
    void test(name, async () => {
      const { database, close } = await open()
      try {
        await body(createSqlBulkJobs(database), database)
      } finally {
        await close()
      }
    })

  it('a job waits, runs in steps that add up, and is done', async (jobs) => {
    const wanted = newJob()
    const { selection, actor, ...told } = wanted
    const added = await jobs.add(wanted)
    assert.deepEqual(added, { ...told, state: 'waiting', seen: 0, changed: 0, createdAt: added.createdAt, finishedAt: null, error: null })
    assert.ok(Math.abs(added.createdAt - Date.now()) < 60_000)
    const held = await jobs.take(mine)
    assert.deepEqual(held, { ...added, selection, actor, state: 'running', cursor: null, begun: null })
    assert.equal(await jobs.beginStep(wanted.id, mine, { seen: 500, ids: ['a', 'b'], cursor: 'one' }), true)
    assert.equal(await jobs.endStep(wanted.id, mine, { changed: 2, alsoSeen: 3 }), true)
    assert.equal(await jobs.beginStep(wanted.id, mine, { seen: 10, ids: [], cursor: 'end' }), true)
    assert.equal(await jobs.endStep(wanted.id, mine, { changed: 0, alsoSeen: 0 }), true)
    const done = await jobs.end(wanted.id, 'mine', { state: 'done' })
    assert.deepEqual([done?.state, done?.seen, done?.changed, done?.error], ['done', 513, 2, null])
    assert.ok(done!.finishedAt! >= done!.createdAt)
    assert.deepEqual(await jobs.get(wanted.id), done)
    assert.equal(await jobs.take(mine), null)
    assert.equal(await jobs.get(uuidv7()), null)
  })

  it('one at a time has it; what it had begun is handed on with it when its time is over', async (jobs) => {
    const { id } = await jobs.add(newJob())
    await jobs.take({ token: 'gone', ms: 300 })
    assert.equal(await jobs.take(other), null)
    await jobs.beginStep(id, { token: 'gone', ms: 300 }, { seen: 2, ids: ['a', 'b'], cursor: 'one' })
    await sleep(400)
    const taken = await Promise.all(Array.from({ length: 4 }, (_, at) => jobs.take({ token: `taker${at}`, ms: 60_000 })))
    const [held, ...more] = taken.filter((job) => job !== null)
    assert.deepEqual([held?.begun, held?.cursor, held?.seen, more.length], [['a', 'b'], 'one', 2, 0])
    const late = { token: 'gone', ms: 60_000 }
    assert.equal(await jobs.beginStep(id, late, { seen: 1, ids: [], cursor: 'two' }), false)
    assert.equal(await jobs.endStep(id, late, { changed: 5, alsoSeen: 0 }), false)
    assert.equal(await jobs.end(id, 'gone', { state: 'done' }), null)
    assert.equal((await jobs.get(id))?.changed, 0)
    await jobs.reclaim()
    assert.equal((await jobs.take(other))?.id, id)
    await jobs.giveBack('other')
    assert.equal((await jobs.take(mine))?.id, id)
  })

  it('a cancelled job goes no further, and says what was done', async (jobs) => {
    const { id } = await jobs.add(newJob())
    await jobs.take(mine)
    await jobs.beginStep(id, mine, { seen: 7, ids: ['a'], cursor: 'one' })
    const cancelled = await jobs.cancel(id)
    assert.deepEqual([cancelled?.hasEnded, cancelled?.job.state, cancelled?.job.seen], [true, 'cancelled', 7])
    assert.ok(cancelled?.job.finishedAt)
    assert.equal(await jobs.endStep(id, mine, { changed: 1, alsoSeen: 0 }), false)
    assert.equal(await jobs.beginStep(id, mine, { seen: 1, ids: [], cursor: 'two' }), false)
    assert.equal(await jobs.end(id, 'mine', { state: 'done' }), null)
    const again = await jobs.cancel(id)
    assert.deepEqual([again?.hasEnded, again?.job.state, again?.job.seen, again?.job.changed], [false, 'cancelled', 7, 1])
    assert.equal(await jobs.cancel(uuidv7()), null)
  })

  it('a job of another version that this one can not read has failed, and holds up no other', async (jobs, database) => {
    const [strange, next] = [await jobs.add(newJob()), await jobs.add(newJob())]
    const selection = JSON.stringify({ filter: { status: 'error', tag: 'a condition of later' } })
    await database.write.updateTable('jobs').set({ selection }).where('id', '=', strange.id).execute()
    assert.equal(await jobs.take(mine), null)
    assert.equal((await jobs.take(mine))?.id, next.id)
    const [, failed] = (await jobs.list({ limit: 10 })).jobs
    assert.deepEqual([failed?.id, failed?.state], [strange.id, 'failed'])
    assert.match(failed?.error ?? '', /Make it again/)
    assert.ok(failed?.finishedAt)
  })

  it('jobs are listed by pages, newest first; a failed one says why', async (jobs) => {
    const ids: string[] = []
    for (let at = 0; at < 5; at++) ids.unshift((await jobs.add(newJob({ selection: { ids: [uuidv7()] } }))).id)
    const oldest = await jobs.take(mine)
    assert.equal(oldest?.id, ids.at(-1))
    assert.equal((await jobs.end(oldest!.id, 'mine', { state: 'failed', error: 'The reason.' }))?.error, 'The reason.')
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await jobs.list({ limit: 2, ...(cursor && { cursor }) })
      seen.push(...page.jobs.map(({ id }) => id))
      cursor = page.next
    }
    assert.deepEqual(seen, ids)
    await assert.rejects(jobs.list({ limit: 2, cursor: 'x' }), { code: 'bad_request' })
  })
}
