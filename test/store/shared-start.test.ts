// Processes that open and close a shared store at the same time: none takes a folder that another just removed for a fault of the disk.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'

const OPENINGS = 40
const ROUNDS = 10

test('a shared store opens while others that stage in it close', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const open = () => openFilesystemStore(folder, { isShared: true })
  for (let round = 0; round < ROUNDS; round++) {
    const before = await Promise.all(Array.from({ length: OPENINGS }, open))
    const [opened] = await Promise.all([
      Promise.all(Array.from({ length: OPENINGS }, open)),
      Promise.all(before.map((store) => store.close())),
    ])
    await Promise.all(opened.map((store) => store.close()))
  }
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
})
