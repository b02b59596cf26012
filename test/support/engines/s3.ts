// A real S3-compatible server for tests: s3rver on a free port of this machine, its objects in a temporary folder.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobStore } from '../../../src/store/blob-store.ts'

export interface S3Server {
  /** What an S3 store needs to open its bucket, beside a staging folder. */
  settings: { endpoint: string; bucket: string; region: string; accessKeyId: string; secretAccessKey: string }
  pid: number
  /** A new, empty bucket beside the first. */
  addBucket(): Promise<string>
  /** Takes its objects with it. */
  stop(): Promise<void>
}

/** Starts it. Its keys are the only ones s3rver knows; it checks no signatures. */
export async function startS3(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-s3-'))
  const bucket = 'calotype-test'
  // It makes the tokens of its lists by DES, which OpenSSL has put aside.
  const args = ['--openssl-legacy-provider', join(import.meta.dirname, 's3-process.ts'), folder, bucket]
  const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(server, 'exit')
  const atExit = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', atExit)
  const port = await Promise.race([
    once(server.stdout, 'data').then(([line]) => Number(line)),
    ended.then(() => Promise.reject(new Error('s3rver did not start: see its output above'))),
  ])
  const endpoint = `http://127.0.0.1:${port}`
  let buckets = 0
  return {
    settings: { endpoint, bucket, region: 'us-east-1', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    pid: server.pid!,
    async addBucket() {
      const name = `calotype-test-${++buckets}`
      // Anonymous requests may do everything in s3rver.
      const answer = await fetch(`${endpoint}/${name}`, { method: 'PUT' })
      if (!answer.ok) throw new Error(`s3rver makes no bucket: ${await answer.text()}`)
      return name
    },
    async stop() {
      server.stdin.end()
      await ended
      process.off('exit', atExit)
      await rm(folder, { recursive: true })
    },
  }
}

export async function keysIn(store: BlobStore, prefix = ''): Promise<string[]> {
  const keys = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}
