// Folders that somebody removes while a server runs: that of staged files is made again, and a store that is gone is said to be gone.
import assert from 'node:assert/strict'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { upload } from '../support/clients/client.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { tellFigures } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

onEachTopology((topology, open) => {
  test('uploads go on when the folder of staged files is removed, and not where the store is gone', { timeout: 60_000 }, async (t) => {
    await using subject = await open()
    const { dataDir } = subject
    const files = (await smallPhotographs(3)).map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
    assert.equal((await upload(subject, 'sync', [files[0]!])).status, 200)
    rmSync(join(dataDir, 'tmp'), { recursive: true })
    const second = await upload(subject, 'sync', [files[1]!])
    assert.equal(second.status, 200, second.text)

    // A disk that is not mounted any more: nothing is made in its place.
    const away = ['originals', 'renditions', 'tmp'].map((name) => join(dataDir, name))
    for (const folder of away) renameSync(folder, `${folder}.away`)
    const refused = await upload(subject, 'async', [files[2]!])
    assert.deepEqual([refused.status, refused.body.code], [503, 'storage_unavailable'], refused.text)
    for (const folder of away) assert.ok(!existsSync(folder), `${folder} was made`)
    for (const folder of away) renameSync(`${folder}.away`, folder)
    const third = await upload(subject, 'sync', [files[2]!])
    assert.equal(third.status, 200, third.text)
    tellFigures(t, 'folders removed', topology, { note: 'tmp, the store' })
  })
})
