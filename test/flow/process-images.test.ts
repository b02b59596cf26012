// What is being developed, and what only waits for its outcome to be recorded: the second keeps no child from its next image. What is asked
// for meanwhile is made as well.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProcessDeps } from '../../src/flow/develop/process-images.ts'
import { toJobs } from '../../src/flow/announce.ts'
import type { ImageTask } from '../../src/process/image-processor.ts'
import { renditionKey } from '../../src/rendition/keys.ts'
import { operationsOf, PRESETS, RECIPE, recipeOf } from '../../src/rendition/presets.ts'
import { hashOf, upload, uploadAs } from '../contracts/record/records.ts'
import { eventually } from '../support/clients/client.ts'
import { processorOf, noImage, openProcessing, pretend } from './processing.ts'

const CONTENTS = ['one', 'two', 'three', 'four', 'five', 'six']

test('failed images make room for the next ones while their outcomes wait for each other', async (t) => {
  const { records, queue, start } = await openProcessing(t)
  // Recorded together, and not before all are there.
  const together = Promise.withResolvers<void>()
  t.after(() => together.resolve())
  let outcomes = 0
  const work: ProcessDeps['work'] = {
    ...records.work,
    async finish(...given) {
      if (++outcomes === CONTENTS.length) together.resolve()
      await together.promise
      return records.work.finish(...given)
    },
  }
  let developing = 0
  const processor = processorOf(async () => {
    assert.ok(++developing <= processor.capacity, 'no more at once than it takes')
    await new Promise(setImmediate)
    developing--
    return noImage()
  })
  start(processor, { work })

  await queue.add(toJobs(await upload(records, ...CONTENTS)))
  await eventually(
    'all have failed',
    async () => (await records.images.list({ sort: 'newest', limit: 10, status: 'error' }, null)).images.length === CONTENTS.length,
    5_000,
  )
})

test('the outcome of an image that came alone waits for no other', async (t) => {
  const { records, queue, start } = await openProcessing(t)
  const delays: (number | undefined)[] = []
  const work: ProcessDeps['work'] = {
    ...records.work,
    async finish(result, maxDelayMs) {
      delays.push(maxDelayMs)
      return records.work.finish(result, 0)
    },
  }
  start(processorOf(noImage), { work })

  for (const content of CONTENTS) {
    const sent = delays.length
    await queue.add(toJobs(await upload(records, content)))
    await eventually('its outcome is recorded', async () => delays.length > sent, 5_000)
  }
  assert.deepEqual(
    delays,
    CONTENTS.map(() => 0),
  )
})

/** One preset more than there was as the processing began. */
const LATER = recipeOf({ ...PRESETS, preview: { width: 640, format: 'webp', quality: 60 } })
const BEFORE = operationsOf(RECIPE, 'jpeg')
const ADDED = operationsOf(LATER, 'jpeg').filter((operation) => !BEFORE.includes(operation))

test('a preset that is added while it runs is made without a restart: of new bytes with the others, of known ones alone', async (t) => {
  const { records, queue, blobs, start } = await openProcessing(t)
  const jobs: ImageTask[] = []
  start(
    processorOf(async (job) => {
      jobs.push(job)
      return pretend(job)
    }),
  )
  const add = async (...added: Awaited<ReturnType<typeof upload>>) => {
    await queue.add(toJobs(added))
    await eventually('all are completed', async () => {
      const now = await records.images.getMany(
        added.map(({ id }) => id),
        null,
      )
      return now.every(({ status }) => status === 'completed')
    })
    const asked = jobs.splice(0).map(({ sha256, outputs }) => [sha256, outputs.map(({ operation }) => operation).sort()])
    return Object.fromEntries(asked) as Record<string, string[]>
  }
  assert.deepEqual(await add(...(await upload(records, 'known'))), { [hashOf('known')]: BEFORE.toSorted() })

  await records.renditions.addRecipe(LATER)
  assert.equal(ADDED.length, 1)
  const [known, fresh] = await uploadAs(records, { recipe: LATER }, 'known', 'new')
  assert.deepEqual(await add(known!, fresh!), { [hashOf('known')]: ADDED, [hashOf('new')]: [...BEFORE, ...ADDED].sort() })
  for (const { id, sha256 } of [known!, fresh!]) {
    assert.equal((await records.renditions.find(id, 'preview', null))?.rendition.operation, ADDED[0])
    for (const operation of operationsOf(LATER, 'jpeg'))
      assert.equal((await blobs.stat(renditionKey(sha256, operation)))?.size, operation.length)
  }
  // There is nothing left to be made of it.
  const [again] = await uploadAs(records, { recipe: LATER }, 'known')
  assert.equal(again!.status, 'completed')
  assert.deepEqual(jobs, [])
})

test('a preset that is asked for while the same original is in hand is made as soon as that is done', async (t) => {
  const { records, queue, feed, start } = await openProcessing(t)
  const inHand = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  t.after(() => goOn.resolve())
  const jobs: ImageTask[] = []
  start(
    processorOf(async (job) => {
      jobs.push(job)
      inHand.resolve()
      if (jobs.length === 1) await goOn.promise
      return pretend(job)
    }),
  )
  const [first] = await upload(records, 'one')
  await queue.add(toJobs([first!]))
  await inHand.promise
  await records.renditions.addRecipe(LATER)
  const [second] = await uploadAs(records, { recipe: LATER }, 'one')
  assert.equal(second!.status, 'processing', 'with the work of the first')
  // Its hint finds the work in other hands, and is gone.
  await queue.add(toJobs([second!]))
  const from = feed.position()
  goOn.resolve()
  await eventually('both are completed', async () => {
    const now = await records.images.getMany([first!.id, second!.id], null)
    return now.every(({ status }) => status === 'completed')
  })
  assert.deepEqual(
    jobs.map(({ outputs }) => outputs.map(({ operation }) => operation).sort()),
    [BEFORE.toSorted(), ADDED],
  )
  const told = (await eventually('all is told', async () => {
    const events = await feed.read(from, 100)
    return events?.some(({ image }) => image.id === second!.id && image.status === 'completed') && events
  }))!
  const said = (id: string) => told.filter(({ image }) => image.id === id).map(({ image }) => image.status)
  assert.deepEqual([said(first!.id), said(second!.id)], [['completed'], ['pending', 'processing', 'completed']])
})
