// One server to a DATA_DIR, and nothing in the way of the next when it dies.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { StartError } from '../../src/errors.ts'
import { lockDataDir, readServerInfo } from '../../src/store/data-dir-lock.ts'

let dataDir = ''
const holders: ChildProcess[] = []

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'calotype-lock-'))
})
afterEach(() => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL')
  rmSync(dataDir, { recursive: true })
})

/** Another process that takes the lock, announces an address, lets the collector run, and sleeps. */
async function holdElsewhere(): Promise<ChildProcess & { pid: number }> {
  const code = `
    const { lockDataDir } = await import(${JSON.stringify(new URL('../../src/store/data-dir-lock.ts', import.meta.url))})
    lockDataDir(${JSON.stringify(dataDir)}, { pid: process.pid }).announce('http://127.0.0.1:1')
    gc()
    console.log('held')
    setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  holders.push(holder)
  await once(holder.stdout, 'data')
  assert.ok(holder.pid)
  return holder as ChildProcess & { pid: number }
}

test('a second holder is refused with the PID of the first', async () => {
  const holder = await holdElsewhere()
  assert.throws(
    () => lockDataDir(dataDir, { pid: process.pid }),
    (error) => error instanceof StartError && error.message.includes(`PID ${holder.pid}`) && error.message.includes(dataDir),
  )
  assert.deepEqual(readServerInfo(dataDir), { pid: holder.pid, url: 'http://127.0.0.1:1' })
})

test('a holder within this process is refused likewise', () => {
  const lock = lockDataDir(dataDir, { pid: process.pid })
  assert.throws(() => lockDataDir(dataDir, { pid: process.pid }), new RegExp(`PID ${process.pid}`))
  lock.release()
})

test('what a killed holder left is no obstacle', async () => {
  const holder = await holdElsewhere()
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  assert.equal(readServerInfo(dataDir), null)
  const lock = lockDataDir(dataDir, { pid: process.pid })
  assert.deepEqual(readServerInfo(dataDir), { pid: process.pid })
  lock.release()
})

test('released: nobody holds it, the next one may, and only the empty lock file stays', () => {
  for (const url of ['http://127.0.0.1:1', 'http://127.0.0.1:2']) {
    const lock = lockDataDir(dataDir, { pid: process.pid })
    lock.announce(url)
    assert.deepEqual(readServerInfo(dataDir), { pid: process.pid, url })
    lock.release()
    lock.release()
    assert.equal(readServerInfo(dataDir), null)
  }
  assert.deepEqual(readdirSync(dataDir), ['lock.sqlite'])
  assert.equal(statSync(join(dataDir, 'lock.sqlite')).size, 0)
})

test('a folder that is not there is made, and a file in its place is refused by name', () => {
  const folder = join(dataDir, 'deep', 'er')
  lockDataDir(folder, { pid: process.pid }).release()
  const file = join(dataDir, 'file')
  writeFileSync(file, '')
  assert.equal(readServerInfo(file), null)
  for (const path of [file, join(file, 'below')]) {
    assert.throws(
      () => lockDataDir(path, { pid: process.pid }),
      (error) => error instanceof StartError && error.message.startsWith(`DATA_DIR ${path} `),
    )
  }
})
