// An image that ends every child it comes to is given up after three tries; its neighbours are all developed, and it heals by a retry.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ApiImage } from '../../src/api/images.ts'
import { sendUnit } from '../cluster/ledger.ts'
import { allFinal, ask } from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const FILES = 40
const POISON = 7

onEachTopology((topology, open) => {
  test(`one of ${FILES} kills every child`, { timeout: 120_000 }, async (t) => {
    await using subject = await open()
    const files = (await smallPhotographs(FILES)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
    writeFileSync(subject.failpoint, `child-admitted ${createHash('sha256').update(files[POISON]!.bytes).digest('hex')}`)
    await sendUnit(subject, { endpoint: 'batch', files }, subject.ledger)
    const images = await allFinal(subject, 90_000)
    const [failed, ...others] = images.filter(({ status }) => status !== 'completed')
    assert.deepEqual([failed?.name, failed?.status, failed?.code, others], [files[POISON]!.name, 'error', 'processing_crashed', []])
    const figures = async () => settle(subject, { sent: FILES })
    if (topology === 'embedded') {
      rmSync(subject.failpoint)
      await ask<ApiImage>(subject, `/api/images/${failed!.id}/retry`, { method: 'POST' })
      assert.deepEqual(
        (await allFinal(subject)).filter(({ status }) => status !== 'completed'),
        [],
      )
    }
    assertWell(t, 'poison image', topology, await figures())
  })
})
