// Bombs of every format are refused from their headers: with the right code, and for next to nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeBombs } from '../support/hostile/bombs.ts'
import { judgeBombs } from '../support/hostile/judge.ts'
import { makeSeeds } from '../support/hostile/seeds.ts'
import { checkStructure } from '../../src/process/checks/structure.ts'
import { writeFile } from 'node:fs/promises'

const BYTES = 16_000_000
/** Measured: 1 and 2 (`npm run bench:bombs`); generous, for the machine is shared. */
const MOST_CPU_MS = 30
const MOST_PEAK_MB = 20

let folder: string
before(async () => (folder = await mkdtemp(join(tmpdir(), 'calotype-bombs-'))))
after(() => rm(folder, { recursive: true }))

test('every bomb', async () => {
  for (const { name, format, code, judged } of await judgeBombs(folder, BYTES)) {
    assert.equal(judged.code, code, `${format}, ${name}`)
    assert.ok(judged.peakMb <= MOST_PEAK_MB, `${format}, ${name}: ${judged.peakMb} MB`)
    assert.ok(judged.cpuMs <= MOST_CPU_MS, `${format}, ${name}: ${judged.cpuMs} ms`)
  }
})

test('the structure of what is whole is nothing to complain of, however it is cut off', async () => {
  const path = join(folder, 'whole')
  for (const [format, seeds] of Object.entries(await makeSeeds())) {
    for (const bytes of seeds) {
      for (let end = bytes.length; end > 0; end -= 7) {
        await writeFile(path, bytes.subarray(0, end))
        checkStructure(path, format as keyof Awaited<ReturnType<typeof makeSeeds>>, { maxFrames: 4, maxSide: 40 })
      }
    }
  }
})

test('a format has a bomb of sides, of pixels, and of what comes before them', async () => {
  const bombs = await makeBombs(100_000)
  for (const format of ['jpeg', 'png', 'gif', 'webp', 'avif']) assert.ok(bombs.filter((bomb) => bomb.format === format).length >= 4)
})
