// What is claimed while no child process can be started: it is pending again at once, counts as no attempt, and is done once one can.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessDeps } from '../../src/flow/develop/process-images.ts'
import { toJobs } from '../../src/flow/announce.ts'
import type { TaskResult } from '../../src/process/image-processor.ts'
import { upload } from '../contracts/record/records.ts'
import { eventually } from '../support/clients/client.ts'
import { processorOf, noImage, openProcessing } from './processing.ts'

const CONTENTS = ['one', 'two', 'three', 'four', 'five', 'six']

test('work waits as pending while no child can be started, without being claimed over and over', async (t) => {
  const { records, queue, start } = await openProcessing(t)
  let claims = 0
  const work: ProcessDeps['work'] = {
    ...records.work,
    claim: (...what) => {
      claims++
      return records.work.claim(...what)
    },
  }
  let obstacle: string | null = null
  let interrupted = false
  const able = Promise.withResolvers<void>()
  const taken = Promise.withResolvers<void>()
  const interrupting = Promise.withResolvers<TaskResult>()
  const develop = () => {
    if (interrupted) return noImage()
    taken.resolve()
    return interrupting.promise
  }
  start(processorOf(develop, { obstacle: () => obstacle, whenAble: () => able.promise }), { work })
  const count = async (status: 'pending' | 'error') =>
    (await records.images.list({ sort: 'newest', limit: 10, status }, null)).images.length

  const recorded = await upload(records, ...CONTENTS)
  await queue.add(toJobs(recorded))
  await taken.promise
  obstacle = 'No child process can be started.'
  interrupted = true
  interrupting.resolve({ outcome: 'interrupted' })
  await eventually('all are pending again', async () => (await count('pending')) === CONTENTS.length)
  const claimsBefore = claims
  await sleep(500)
  assert.deepEqual([await count('pending'), claims], [CONTENTS.length, claimsBefore])
  const attempts = async () => [...(await records.work.doneFor(recorded.map(({ id }) => id))).values()].map(({ attempts }) => attempts)
  assert.deepEqual(
    (await attempts()).filter((each) => each !== 0),
    [],
  )

  obstacle = null
  able.resolve()
  await eventually('all are done', async () => (await count('error')) === CONTENTS.length)
  assert.deepEqual(
    (await attempts()).filter((each) => each !== 1),
    [],
  )
})
