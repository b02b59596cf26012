// A DATA_DIR with any number of images, for tests that only read them: their rows are written into its database, not uploaded.
import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { upload } from '../clients/client.ts'
import { change } from './data-dir.ts'
import { smallPhotograph } from '../inputs/photographs.ts'
import { startServer } from './server.ts'

/** Of `<n>.jpg`; the one of 0.jpg, which was uploaded, is another. */
export const idOf = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

/** Holds 0.jpg, the newest, to `<images - 1>.jpg`, a millisecond apart each: one photograph again and again. No server runs on it. */
export async function folderOfImages(images: number): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const server = await startServer({ dataDir })
  assert.equal((await upload(server, 'sync', [{ name: '0.jpg', bytes: await smallPhotograph({ seed: 1 }) }])).status, 200)
  await server.stop()
  await change(
    { dataDir },
    `insert into images (id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at)
     with recursive number(n) as (select 1 union all select n + 1 from number where n < ${images - 1})
     select printf('00000000-0000-4000-8000-%012x', n), batch_id, n, n || '.jpg', format, size, sha256, recipe, status,
       uploaded_at - n, finished_at - n
     from images, number where batch_index = 0`,
  )
  return dataDir
}
