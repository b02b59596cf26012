// Lists in requests: what is taken, and that a million wrong things in one are no more work than one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { listOf } from '../../src/api/list-of.ts'

const list = z.object({ list: listOf(z.object({ n: z.int() }), 1_000_000, 'Expected numbers') })

const issuesOf = (value: unknown) =>
  list.safeParse({ list: value }).error?.issues.map(({ path, message }) => `${path.join('/')}: ${message}`)

test('what is right comes out as its items make it', () => {
  assert.deepEqual(list.parse({ list: [{ n: 1, more: 2 }, { n: 3 }] }), { list: [{ n: 1 }, { n: 3 }] })
  assert.deepEqual(list.parse({ list: [] }), { list: [] })
})

test('the first thing that is wrong is named, and nothing after it is looked at', () => {
  assert.deepEqual(issuesOf([{ n: 1 }, { n: 'x' }, {}]), ['list/1/n: Invalid input: expected number, received string'])
  assert.deepEqual(issuesOf(Array.from({ length: 1_000_000 }, () => null))?.length, 1)
  for (const other of [undefined, null, 'all', { length: 1 }]) assert.deepEqual(issuesOf(other), ['list: Expected numbers'])
})

test('too long a list is refused for that alone', () => {
  assert.deepEqual(issuesOf(Array.from({ length: 1_000_001 })), ['list: At most 1000000 in a request'])
})
