// What every blob store guarantees; run on each adapter.
import assert from 'node:assert/strict'
import { access, readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import type { BlobStore } from '../../src/store/blob-store.ts'

const KEY = 'originals/ab/abcdef'

async function staged(store: BlobStore, content: string): Promise<string> {
  const path = store.stage()
  await writeFile(path, content)
  return path
}

const gone = (path: string) => assert.rejects(access(path), { code: 'ENOENT' })

/** `open` gives a new, empty store each time, and the end of it. */
export function blobStoreContract(open: () => Promise<{ store: BlobStore; close: () => Promise<void> }>): void {
  const blobTest = (name: string, body: (store: BlobStore) => Promise<void>): void => {
    void test(name, async () => {
      const { store, close } = await open()
      try {
        await body(store)
      } finally {
        await close()
      }
    })
  }

  blobTest('what was put is read back, whole and in part', async (store) => {
    const path = await staged(store, '0123456789')
    await store.put(path, KEY)
    await gone(path)
    assert.equal((await buffer(await store.read(KEY))).toString(), '0123456789')
    assert.equal((await buffer(await store.read(KEY, { start: 2, end: 4 }))).toString(), '234')
    const stat = await store.stat(KEY)
    assert.equal(stat?.size, 10)
    assert.ok(Math.abs(stat.modifiedAt - Date.now()) < 60_000)
  })

  blobTest('tells when it was stored by the clock of whoever stored it', async (store) => {
    const storedAt = Date.UTC(2001, 1, 2, 3, 4, 5, 678)
    await store.put(await staged(store, 'dated'), KEY, { storedAt })
    assert.equal(Math.round((await store.stat(KEY))!.modifiedAt), storedAt)
    const large = store.stage()
    await writeFile(large, Buffer.alloc(17 * 1024 * 1024))
    await store.put(large, KEY, { storedAt: storedAt + 1 })
    assert.equal(Math.round((await store.stat(KEY))!.modifiedAt), storedAt + 1)
  })

  blobTest('names the run that used it last', async (store) => {
    assert.equal(await store.readRunId(), null)
    await store.writeRunId('first')
    await store.writeRunId('second')
    assert.equal(await store.readRunId(), 'second')
    const keys = []
    for (const prefix of ['originals/', 'renditions/']) for await (const { key } of store.list(prefix)) keys.push(key)
    assert.deepEqual(keys, [])
  })

  blobTest('a put is repeatable, also at the same time', async (store) => {
    const paths = await Promise.all(Array.from({ length: 20 }, () => staged(store, 'same')))
    await Promise.all(paths.map((path) => store.put(path, KEY)))
    assert.equal((await buffer(await store.read(KEY))).toString(), 'same')
    for (const path of paths) await gone(path)
  })

  blobTest('many keys at once', async (store) => {
    const keys = Array.from({ length: 200 }, (_, at) => `originals/${(at % 256).toString(16).padStart(2, '0')}/${at}`)
    await Promise.all(keys.map(async (key) => store.put(await staged(store, key), key)))
    const listed = []
    for await (const { key, size } of store.list('originals/')) {
      listed.push(key)
      assert.equal(size, key.length)
    }
    assert.deepEqual(listed.sort(), keys.sort())
  })

  blobTest('staged places are distinct, and a discarded one is gone', async (store) => {
    assert.notEqual(store.stage(), store.stage())
    const path = await staged(store, 'nothing')
    await store.discard(path)
    await gone(path)
    await store.discard(path)
  })

  blobTest('what is staged is told until it is put or discarded', async (store) => {
    const told = async () => {
      const paths = []
      for await (const { path, size, modifiedAt } of store.staged()) {
        assert.equal(size, 4)
        assert.ok(Math.abs(modifiedAt - Date.now()) < 60_000)
        paths.push(path)
      }
      return paths.sort()
    }
    assert.deepEqual(await told(), [])
    const paths = [await staged(store, 'some'), await staged(store, 'more')]
    assert.deepEqual(await told(), [...paths].sort())
    await store.put(paths[0]!, KEY)
    await store.discard(paths[1]!)
    assert.deepEqual(await told(), [])
  })

  blobTest('a checkout is the bytes at a path', async (store) => {
    await store.put(await staged(store, 'pixels'), KEY)
    const { path, release } = await store.checkout(KEY)
    assert.equal(await readFile(path, 'utf8'), 'pixels')
    await release()
    assert.equal((await store.stat(KEY))?.size, 6)
  })

  blobTest('what is not there is said to be missing', async (store) => {
    assert.equal(await store.stat(KEY), null)
    await assert.rejects(store.read(KEY), { code: 'not_found' })
    await assert.rejects(store.checkout(KEY), { code: 'not_found' })
    for await (const blob of store.list('originals/')) assert.fail(`listed ${blob.key}`)
  })

  blobTest('a delete is repeatable and touches no other key', async (store) => {
    await store.put(await staged(store, 'one'), KEY)
    await store.put(await staged(store, 'two'), `${KEY}2`)
    await store.delete([KEY, 'originals/no/such'])
    await store.delete([KEY])
    assert.equal(await store.stat(KEY), null)
    assert.equal((await store.stat(`${KEY}2`))?.size, 3)
  })
}
