import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'
import { openS3Store } from '../../src/store/s3/s3.ts'
import { startS3, type S3Server } from '../support/engines/s3.ts'
import { blobStoreContract } from './blob-store.ts'

const temporary = () => mkdtemp(join(tmpdir(), 'calotype-blobs-'))

describe('blob store in a folder', () => {
  blobStoreContract(async () => {
    const folder = await temporary()
    const store = await openFilesystemStore(folder)
    const close = async () => {
      await store.close()
      await rm(folder, { recursive: true })
    }
    return { store, close }
  })

  test('opening it removes what an ended process had staged', async () => {
    const folder = await temporary()
    await mkdir(join(folder, 'tmp'))
    await writeFile(join(folder, 'tmp', 'left'), 'half an ima')
    await openFilesystemStore(folder)
    assert.deepEqual(await readdir(join(folder, 'tmp')), [])
    await rm(folder, { recursive: true })
  })

  test('a visitor leaves what others have staged, and takes its own along', async () => {
    const folder = await temporary()
    const owner = await openFilesystemStore(folder)
    await writeFile(owner.stage(), 'on its way')
    const before = await readdir(join(folder, 'tmp'))
    const visitor = await openFilesystemStore(folder, { asVisitor: true })
    await writeFile(visitor.stage(), 'a visitor')
    const staged = []
    for await (const { path } of visitor.staged()) staged.push(path)
    assert.equal(staged.length, 2)
    const [path, key] = [visitor.stage(), `originals/00/${'0'.repeat(64)}`]
    await writeFile(path, 'by a visitor')
    await visitor.put(path, key)
    assert.equal((await owner.stat(key))?.size, 'by a visitor'.length)
    await visitor.close()
    assert.deepEqual(await readdir(join(folder, 'tmp')), before)
    await rm(folder, { recursive: true })
  })

  test('a folder that can not be written is refused in one sentence', async () => {
    const folder = await temporary()
    await writeFile(join(folder, 'file'), '')
    await assert.rejects(openFilesystemStore(join(folder, 'file')), { name: 'StartError', message: /^DATA_DIR: .*Choose a folder/ })
    await rm(folder, { recursive: true })
  })
})

describe('blob store in an S3 bucket', () => {
  let s3: S3Server
  before(async () => {
    s3 = await startS3()
  })
  after(() => s3.stop())

  blobStoreContract(async () => {
    const stagingFolder = await temporary()
    const store = await openS3Store({ ...s3.settings, bucket: await s3.addBucket(), stagingFolder })
    const close = async () => {
      await store.close()
      assert.deepEqual(await readdir(stagingFolder), [])
      await rm(stagingFolder, { recursive: true })
    }
    return { store, close }
  })
})
