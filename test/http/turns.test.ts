// Turns of large bodies: a few at a time, none of them all for one caller, and nobody holds one for ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createTurns } from '../../src/http/body/turns.ts'

const LIMITS = { most: 3, mostEach: 2, mostWaiting: 2, waitMs: 5_000, holdMs: 5_000 }
const never = new AbortController().signal
const OVERLOADED = { code: 'overloaded' }
const isPending = async (promise: Promise<unknown>) => (await Promise.race([promise, wait(20, 'pending')])) === 'pending'

test('one caller never has them all, and who waits is next in order', async () => {
  const { take } = createTurns(LIMITS)
  const mine = [await take('me', never), await take('me', never)]
  const third = take('me', never)
  assert.ok(await isPending(third))
  const other = await take('you', never)
  const fourth = take('them', never)
  assert.ok(await isPending(fourth))
  await assert.rejects(take('them', never), OVERLOADED)
  mine[0]!.end()
  await third
  assert.ok(await isPending(fourth))
  other.end()
  other.end()
  await fourth
})

test('who waits for too long, or leaves, waits no more', async () => {
  const { take } = createTurns({ ...LIMITS, most: 1, waitMs: 50 })
  const held = await take('me', never)
  await assert.rejects(take('you', never), OVERLOADED)
  const leaving = new AbortController()
  const left = take('you', leaving.signal)
  leaving.abort(new Error('gone'))
  await assert.rejects(left, /gone/)
  held.end()
  await take('you', never)
})

test('what takes its time gives way to who waits, unless it is ready', async () => {
  const { take } = createTurns({ ...LIMITS, most: 1, holdMs: 30 })
  const slow = await take('me', never)
  await wait(60)
  assert.equal(slow.signal.aborted, false, 'nobody waits')
  const next = take('you', never)
  assert.equal((slow.signal.reason as { code: string }).code, 'overloaded')
  slow.end()
  const ready = await next
  ready.keep()
  const last = take('me', never)
  await wait(60)
  assert.equal(ready.signal.aborted, false)
  ready.end()
  await last
})
