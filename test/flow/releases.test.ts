// Bytes without an image while the database takes nothing: they are released once it does, and nothing goes on by itself until then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CalotypeError } from '../../src/errors.ts'
import { createReleases } from '../../src/flow/upload/releases.ts'
import type { StoredBytes } from '../../src/record/originals/original-store.ts'
import { hashOf } from '../contracts/record/records.ts'

const bytes = (content: string): StoredBytes => ({ sha256: hashOf(content), size: content.length })

test('what the database refuses is released at a later try, once; who has it released is never refused', async () => {
  let isFull = true
  const released: StoredBytes[] = []
  const releases = createReleases({
    originals: {
      async release(stored) {
        if (isFull) throw new CalotypeError('storage_full')
        released.push(...stored)
      },
    },
  })
  const many = Array.from({ length: 1_200 }, (_, at) => bytes(`content ${at}`))
  await releases.release(many)
  await releases.release([many[0]!])
  await releases.retry()
  assert.deepEqual(released, [])
  isFull = false
  await releases.release([bytes('later')])
  assert.deepEqual(released, [bytes('later')])
  await releases.retry()
  await releases.retry()
  assert.deepEqual(released.slice(1), many)
})
