// A store that refuses what was made of an image: pixels are made once, and stored as soon as it takes them; nothing is left aside.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { CalotypeError } from '../../src/errors.ts'
import { makeAndStore } from '../../src/flow/develop/make-and-store.ts'
import { createLog } from '../../src/log.ts'
import type { ImageTask } from '../../src/process/image-processor.ts'
import type { Work } from '../../src/record/work/work-store.ts'
import { renditionKey } from '../../src/rendition/keys.ts'
import { operationsOf, RECIPE } from '../../src/rendition/presets.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { samplePicture } from '../support/inputs/sample-image.ts'
import { openBlobs, pretend } from './processing.ts'

const [IMAGE, THUMBNAIL] = operationsOf(RECIPE, 'jpeg') as [string, string]
const WORK: Work = { sha256: 'ab'.repeat(32), format: 'jpeg', operations: [IMAGE, THUMBNAIL], token: 'mine' }

/** Whether the store refuses this one: told for each attempt to put it. */
type Refuses = (attempt: { path: string; operation: string; time: number }) => Promise<boolean> | boolean

async function open(t: TestContext, refuses: Refuses) {
  const store = await openBlobs(t)
  const attempts: { operation: string; path: string }[] = []
  const blobs: BlobStore = {
    ...store,
    async put(path, key, options) {
      const operation = WORK.operations.find((one) => renditionKey(WORK.sha256, one) === key)!
      const time = attempts.filter((attempt) => attempt.operation === operation).length + 1
      attempts.push({ operation, path })
      if (await refuses({ path, operation, time })) throw new CalotypeError('storage_full')
      await store.put(path, key, options)
    },
  }
  const jobs: ImageTask[] = []
  /** Other bytes each time. */
  const develop = async (job: ImageTask) => {
    jobs.push(job)
    return pretend(job, (operation) => `${operation}, made for the ${jobs.length}. time`)
  }
  let developed = 0
  const log = createLog('silent')
  return {
    attempts,
    jobs,
    developed: () => developed,
    run: (isStopped = () => false, how: typeof develop = develop) =>
      makeAndStore({ blobs, processor: { develop: how }, log }, WORK, () => developed++, isStopped),
    async stored() {
      const keys: string[] = []
      for await (const { key } of store.list('renditions/')) keys.push(key)
      const texts = keys.sort().map(async (key) => [key, (await buffer(await store.read(key))).toString()])
      return Object.fromEntries(await Promise.all(texts)) as Record<string, string>
    },
    async staged() {
      const paths: string[] = []
      for await (const { path } of store.staged()) paths.push(path)
      return paths
    },
  }
}

const madeTheTime = (time: number, ...operations: string[]) =>
  Object.fromEntries(operations.map((operation) => [renditionKey(WORK.sha256, operation), `${operation}, made for the ${time}. time`]))

test('a store that refuses one output twice gets the same bytes for the third time, and what it has is not put again', async (t) => {
  const flow = await open(t, ({ operation, time }) => operation === THUMBNAIL && time <= 2)
  const result = await flow.run()
  assert.equal(flow.jobs.length, 1)
  assert.equal(flow.developed(), 1, 'the child is free while the store is waited for')
  assert.deepEqual(await flow.stored(), madeTheTime(1, IMAGE, THUMBNAIL))
  const pathOf = Object.fromEntries(flow.jobs[0]!.outputs.map(({ operation, path }) => [operation, path]))
  assert.deepEqual(
    flow.attempts,
    [IMAGE, THUMBNAIL, THUMBNAIL, THUMBNAIL].map((operation) => ({ operation, path: pathOf[operation] })),
  )
  assert.deepEqual(await flow.staged(), [])
  assert.ok(result && 'outputs' in result)
  const { sha256, token, picture, outputs } = result
  assert.deepEqual([sha256, token, picture], [WORK.sha256, WORK.token, samplePicture])
  assert.deepEqual(
    outputs.map((output) => [output.operation, 'size' in output && output.size]),
    Object.entries(madeTheTime(1, IMAGE, THUMBNAIL)).map(([, text], at) => [WORK.operations[at], text.length]),
  )
})

test('stopped while the store refuses: it is interrupted, and no staged file is left', async (t) => {
  for (const refuses of [() => true, ({ operation }: { operation: string }) => operation === IMAGE]) {
    let stopped = false
    const flow = await open(t, (attempt) => {
      if (attempt.time === 2) stopped = true
      return refuses(attempt)
    })
    assert.equal(await flow.run(() => stopped), null)
    assert.equal(flow.jobs.length, 1)
    assert.equal(flow.attempts.filter(({ operation }) => operation === IMAGE).length, 2)
    assert.deepEqual(await flow.staged(), [])
  }
})

test('staged files that are removed while the store refuses are made again, with all others', async (t) => {
  const flow = await open(t, async ({ path, operation, time }) => {
    if (time === 1 && operation === THUMBNAIL) await rm(path)
    return time === 1
  })
  const result = await flow.run()
  assert.equal(flow.jobs.length, 2)
  assert.deepEqual(await flow.stored(), madeTheTime(2, IMAGE, THUMBNAIL))
  assert.deepEqual(await flow.staged(), [])
  assert.ok(result && 'outputs' in result && result.outputs.length === 2)
  const paths = flow.jobs.flatMap(({ outputs }) => outputs.map(({ path }) => path))
  assert.equal(new Set(paths).size, 4, 'in places of their own')
})

test('an output that could not be made is told as such; the others are stored', async (t) => {
  const flow = await open(t, () => false)
  const failure = { code: 'internal', error: 'It could not be encoded.' } as const
  const result = await flow.run(undefined, async ({ outputs, ...job }) => {
    const made = await pretend({ ...job, outputs: outputs.filter(({ operation }) => operation === THUMBNAIL) }, (operation) => {
      return `${operation}, made for the 1. time`
    })
    assert.ok(made.outcome === 'developed')
    return { ...made, outputs: [{ operation: IMAGE, failure }, ...made.outputs] }
  })
  assert.ok(result && 'outputs' in result)
  assert.deepEqual(result.outputs[0], { operation: IMAGE, failure })
  assert.deepEqual(await flow.stored(), madeTheTime(1, THUMBNAIL))
  assert.deepEqual(await flow.staged(), [])
})

test('what can not be developed fails, and nothing is stored', async (t) => {
  const flow = await open(t, () => assert.fail('nothing is to be stored'))
  const failure = { code: 'image_too_large', error: 'It is.' } as const
  const result = await flow.run(undefined, async () => ({ outcome: 'failed', failure }))
  assert.deepEqual(result, { sha256: WORK.sha256, token: WORK.token, failure })
  assert.deepEqual([flow.developed(), await flow.staged()], [0, []])
})
