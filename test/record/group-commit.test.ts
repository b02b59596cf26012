// Group commit: who shares a transaction with whom, and who waits for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { groupCommit } from '../../src/record/group-commit.ts'

/** Its transactions take 20 ms; `groups` is what went into each. */
function recorder() {
  const groups: string[][] = []
  const commit = async (items: string[]) => {
    groups.push(items)
    await wait(20)
    if (items.includes('bad')) throw new Error('bad')
    return items.map((item) => item.toUpperCase())
  }
  return { groups, add: groupCommit(commit, 3) }
}

test('what comes while a transaction runs goes into the next, up to the limit', async () => {
  const { groups, add } = recorder()
  assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd', 'e'].map((item) => add(item))), ['A', 'B', 'C', 'D', 'E'])
  assert.deepEqual(groups, [['a'], ['b', 'c', 'd'], ['e']])
})

test('a bad item fails alone', async () => {
  const { add } = recorder()
  const results = await Promise.allSettled(['a', 'b', 'bad', 'c'].map((item) => add(item)))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  )
})

test('the first item goes at once, and what can wait goes together when that is over', async () => {
  const { groups, add } = recorder()
  const begun = performance.now()
  await add('a', 400)
  const second = add('b', 400)
  await wait(50)
  assert.deepEqual(groups, [['a']], 'the second waits')
  await Promise.all([second, add('c', 600)])
  assert.ok(performance.now() - begun >= 400)
  assert.deepEqual(groups, [['a'], ['b', 'c']])
})

test('an item that cannot wait goes at once, and takes along who waits', { timeout: 10_000 }, async () => {
  const { groups, add } = recorder()
  await add('a', 60_000)
  const second = add('b', 60_000)
  await Promise.all([second, add('c')])
  assert.deepEqual(groups, [['a'], ['b', 'c']])
})

test('of items that can wait, the most impatient one decides', { timeout: 10_000 }, async () => {
  const { groups, add } = recorder()
  await add('a', 60_000)
  const second = add('b', 60_000)
  const begun = performance.now()
  await Promise.all([second, add('c', 200)])
  assert.ok(performance.now() - begun < 5_000)
  assert.deepEqual(groups, [['a'], ['b', 'c']])
})

test('a group that fills up while it waits goes at once', { timeout: 10_000 }, async () => {
  const { groups, add } = recorder()
  await add('a', 60_000)
  await wait(20)
  const filling = ['b', 'c', 'd'].map((item) => add(item, 60_000))
  await Promise.all(filling)
  assert.deepEqual(groups, [['a'], ['b', 'c', 'd']])
})

test('waits that nobody joins are not made again and again', async () => {
  const { groups, add } = recorder()
  const begun = performance.now()
  for (let item = 0; item < 30; item++) await add(String(item), 100)
  const alone = performance.now() - begun
  assert.ok(alone < 2_000, `30 items, one after the other, took ${alone.toFixed(0)} ms`)
  assert.equal(groups.length, 30)
})

test('waits are made again once one of them has found company', async () => {
  const { groups, add } = recorder()
  // The first goes at once, the next four wait in vain, and the 15 after them go at once.
  for (let item = 0; item < 20; item++) await add(String(item), 100)
  const first = add('first', 2_000)
  await wait(30)
  await Promise.all([first, add('second', 100)])
  const last = add('third', 200)
  await wait(30)
  await Promise.all([last, add('fourth', 200)])
  assert.deepEqual(groups.slice(20), [
    ['first', 'second'],
    ['third', 'fourth'],
  ])
})
