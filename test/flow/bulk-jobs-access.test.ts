// A bulk job stops when whoever began it may no longer do what it does.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { Actor } from '../../src/accounts/audit/audit-log.ts'
import type { UserChange } from '../../src/accounts/users/user-store.ts'
import { makeBulkJob } from '../../src/flow/admin/make-bulk-job.ts'
import { createBulkRunner, type BulkRunner } from '../../src/flow/admin/run-bulk-jobs.ts'
import { createLog } from '../../src/log.ts'
import { eventually } from '../support/clients/client.ts'
import { photograph } from '../support/inputs/photographs.ts'
import { startShared, WHO, type Shared } from '../support/clients/principals.ts'

let shared: Shared
let runner: BulkRunner
before(async () => {
  shared = await startShared()
  await shared.deps.accounts.addUser({ id: 'root', email: 'root@example.org', name: 'Root', role: 'admin', passwordHash: 'none' })
})
beforeEach(() => {
  runner = createBulkRunner({ ...shared.deps, log: createLog('silent') })
})
after(() => shared.end())

async function uploadOne(): Promise<string> {
  const form = new FormData()
  form.append('image', new Blob([new Uint8Array(await photograph({ seed: 1, megapixels: 0.02, format: 'jpeg' }))]), 'a.jpg')
  const response = await fetch(`${shared.publicUrl}/api/upload`, { method: 'POST', headers: { [WHO]: 'ada' }, body: form })
  return ((await response.json()) as { image: { id: string } }).image.id
}

async function deleteBy(actor: Partial<Actor>, id: string) {
  const whole = { via: 'session', userId: null, credentialId: null, address: '127.0.0.1', ...actor } as const
  const selection = { ids: [id] }
  const job = await makeBulkJob(shared.deps, whole, { by: 'somebody', action: 'delete', confirmed: 1, selection })
  await runner.look()
  return eventually('the job ends', async () => {
    const now = await shared.deps.jobs.get(job.id)
    return now?.finishedAt ? now : false
  })
}

for (const [what, change] of [
  ['demoted', { role: 'member' }],
  ['disabled', { disabled: true }],
] satisfies [string, UserChange][]) {
  test(`of an administrator who was ${what}: it fails, says why, and changes nothing`, async () => {
    const { accounts, images } = shared.deps
    const boss = uuidv7()
    await accounts.addUser({ id: boss, email: `${what}@example.org`, name: 'Boss', role: 'admin', passwordHash: 'none' })
    const image = await uploadOne()
    await accounts.changeUser(boss, change)
    const { state, changed, error } = await deleteBy({ userId: boss }, image)
    assert.deepEqual([state, changed], ['failed', 0])
    assert.match(error ?? '', /no longer an administrator/)
    assert.ok(await images.get(image, null), 'the image is still there')
  })
}

test('of an administrator who signed out meanwhile, and of an open server, it goes on', async () => {
  for (const actor of [
    { userId: 'root', credentialId: 'a session that has ended' },
    { via: 'open', userId: null },
  ] as const) {
    const image = await uploadOne()
    assert.equal((await deleteBy(actor, image)).state, 'done')
    assert.equal(await shared.deps.images.get(image, null), null)
  }
})
