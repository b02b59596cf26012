// A folder of the store that is removed while a server runs is made again, and what is synced from then on is the new one.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'
import { eventually } from '../support/clients/client.ts'

const key = (digit: string) => `originals/ab/ab${digit.repeat(62)}`

/** What the descriptors of this process stand for, of those that end so. */
const open = (end: string) =>
  readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        // That of the listing itself.
        return ''
      }
    })
    .filter((path) => path.endsWith(end))

test('a folder that was removed is made again, and it is the new one that is synced', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const store = await openFilesystemStore(folder)
  const put = async (digit: string) => {
    const path = store.stage()
    writeFileSync(path, digit)
    await store.put(path, key(digit))
  }
  await put('0')
  const shard = join(folder, 'originals/ab')
  assert.deepEqual(open(shard), [shard])
  rmSync(shard, { recursive: true })
  await Promise.all([put('1'), put('2')])
  assert.deepEqual(open(shard), [shard])
  await eventually('the removed folder is let go', async () => open(`${shard} (deleted)`).length === 0, 5_000)
  assert.equal((await store.stat(key('1')))?.size, 1)
  assert.equal((await store.stat(key('2')))?.size, 1)
  await store.close()
  assert.deepEqual(open(shard), [])
})
