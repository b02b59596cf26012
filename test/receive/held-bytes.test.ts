// What files hold in memory while they wait for the disk: bounded for each, and over all that arrive.
import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { IncomingFile } from '../../src/receive/incoming-file.ts'
import { smallPhotograph } from '../support/inputs/photographs.ts'

const MB = 1024 * 1024

test('a file waits for the disk once it holds a megabyte, or as soon as all together hold 64', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-held-'))
  t.after(() => rm(folder, { recursive: true }))
  const photograph = await smallPhotograph({ seed: 1 })
  const begin = (index: number) => {
    const file = new IncomingFile({ index, declaredIndex: null }, `${index}.jpg`, join(folder, String(index)), 10 * MB)
    file.write(photograph)
    return file
  }

  // Nothing is written before this turn of the loop ends.
  const large = begin(0)
  assert.ok(!large.mustWait)
  large.write(Buffer.alloc(MB))
  assert.ok(large.mustWait)

  const others = Array.from({ length: 70 }, (_, index) => begin(1 + index))
  const waits = others.map((file) => {
    file.write(Buffer.alloc(MB - photograph.length))
    return file.mustWait
  })
  assert.deepEqual([waits[0], waits.at(-1)], [false, true])
  const late = begin(71)
  assert.ok(late.mustWait)

  await late.written()
  assert.equal((await stat(join(folder, '71'))).size, photograph.length, 'what it held is with the system')
  await Promise.all([large, ...others].map((file) => file.written()))
  // One turn later, when the pieces are given back.
  await new Promise(setImmediate)
  for (const file of [large, ...others, late]) assert.equal((await file.finish()).outcome, 'received')
  const after = begin(72)
  assert.ok(!after.mustWait)
  await after.abandon()
})
