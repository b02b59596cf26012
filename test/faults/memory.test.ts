// 512 MB for everything, and a flood of the largest images that are taken: slower, or refused for want of memory, and nobody is killed.
import assert from 'node:assert/strict'
import { sendUnit } from '../cluster/ledger.ts'
import { allFinal, upload, type SentFile } from '../support/clients/client.ts'
import { longTest } from '../support/long-form.ts'
import { photograph } from '../support/inputs/photographs.ts'
import { assertWell, settle, tellFigures } from './run/figures.ts'
import { makeSmallMemory } from './run/rooms.ts'
import { onEachTopology } from './run/subject.ts'

const MEMORY_BYTES = 512 * 2 ** 20
const COPIES = 4
const MEGAPIXELS = 49
/** A decoder holds all of an AVIF: the first two fit, the third hardly does, the last can't. */
const AVIF_MEGAPIXELS = [8, 12, 24, MEGAPIXELS]
const DONE_MS = 15 * 60_000

onEachTopology((topology, open) => {
  longTest('AVIFs of all sizes in a memory of 512 MB', async (t) => {
    using memory = makeSmallMemory(MEMORY_BYTES)
    await using subject = await open({ through: memory.through, env: { PROCESS_TIMEOUT_MS: '300000', SYNC_WAIT_MS: '600000' } })
    const outcomes: { megapixels: number; outcome: string | undefined; killed: number }[] = []
    for (const megapixels of AVIF_MEGAPIXELS) {
      const file = { name: `${megapixels}.avif`, bytes: await photograph({ seed: megapixels, megapixels, format: 'avif' }) }
      const killedBefore = memory.killed()
      const { status, body } = await upload(subject, 'sync', [file])
      outcomes.push({ megapixels, outcome: status === 200 ? 'completed' : body.code, killed: memory.killed() - killedBefore })
    }
    const told = outcomes.map(({ megapixels, outcome, killed }) => `${megapixels} MP ${outcome}, killed ${killed}`)
    tellFigures(t, 'AVIFs in a memory of 512 MB', topology, { note: told.join('; ') })
    const [small, medium, large, largest] = outcomes
    for (const each of [small, medium]) assert.deepEqual([each?.outcome, each?.killed], ['completed', 0])
    assert.match(large?.outcome ?? '', /^(completed|not_enough_memory)$/)
    assert.deepEqual([largest?.outcome, largest?.killed], ['not_enough_memory', 0])
    for (const code of await subject.stop()) assert.equal(code, 0)
  })

  longTest('a flood of the largest images in a memory of 512 MB', async (t) => {
    const files: SentFile[] = []
    for (const format of ['jpeg', 'png', 'webp'] as const) {
      const bytes = await photograph({ seed: files.length, megapixels: MEGAPIXELS, format })
      // A byte behind the end makes another file of it.
      for (let copy = 0; copy < COPIES; copy++)
        files.push({ name: `${copy}.${format}`, bytes: Buffer.concat([bytes, Buffer.from([copy])]) })
    }
    using memory = makeSmallMemory(MEMORY_BYTES)
    await using subject = await open({
      through: memory.through,
      env: { MAX_FILE_BYTES: String(200 * 2 ** 20), PROCESS_TIMEOUT_MS: '300000' },
    })
    await Promise.all(files.map((file) => sendUnit(subject, { endpoint: 'async', files: [file] }, subject.ledger)))
    const images = await allFinal(subject, DONE_MS)
    tellFigures(t, 'memory', topology, { note: `peak ${Math.round(memory.peakBytes() / 2 ** 20)} MB, killed ${memory.killed()}` })
    assert.equal(memory.killed(), 0)
    assert.deepEqual(
      images.filter(({ status }) => status !== 'completed').map(({ name, code }) => `${name} ${code}`),
      [],
    )
    assertWell(t, 'memory of 512 MB', topology, await settle(subject, { sent: files.length }))
  })
})
