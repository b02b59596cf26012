// Starts that fail late: what was opened by then is closed again, so that nothing is held and the process ends by itself.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { freePorts } from '../../scripts/cluster/place.ts'
import { unsuppressed } from '../../src/cli/unsuppressed.ts'
import { lockDataDir, readServerInfo } from '../../src/store/data-dir-lock.ts'
import { withPostgres } from '../support/engines/databases.ts'

/** No proxy has this address: the server cannot be made, once rows, bytes, queue, feed and children are there. */
const REFUSED_LAST = { trustProxy: ['nonsense'] }
/** Far above what a start takes; far below what a connection that comes back would be waited for. */
const ENDS_WITHIN_MS = 20_000

test('what failed first is told, though closing failed as well', async () => {
  async function failTwice() {
    await using opened = new AsyncDisposableStack()
    opened.defer(() => Promise.reject(new Error('a close')))
    opened.defer(() => Promise.reject(new Error('another close')))
    throw new Error('the start')
  }
  await assert.rejects(failTwice, (error) => (unsuppressed(error) as Error).message === 'the start')
})

/** What it says, once it has ended. Fails if something keeps the process from ending. */
async function start(env: NodeJS.ProcessEnv, overrides: object = {}): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'failing-start.ts')], {
    env: { PATH: process.env['PATH'], ...env, OVERRIDES: JSON.stringify(overrides) },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: ENDS_WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  const [said, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  assert.deepEqual([code, signal], [0, null], `something was left open: ${said}`)
  return said.trim()
}

async function withDataDir(body: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'calotype-start-'))
  try {
    await body(dataDir)
  } finally {
    rmSync(dataDir, { recursive: true })
  }
}

/** Nobody has it, and nobody crashed on it. */
function assertFree(dataDir: string) {
  assert.equal(readServerInfo(dataDir), null)
  const lock = lockDataDir(dataDir, { pid: process.pid })
  assert.equal(lock.afterCrash, false)
  lock.release()
}

describe('a start that fails leaves nothing open', () => {
  test('with a database that cannot be migrated, after the store was opened', () =>
    withDataDir(async (dataDir) => {
      writeFileSync(join(dataDir, 'calotype.sqlite'), 'no database at all, but long enough to be looked at as one. '.repeat(100))
      assert.match(await start({ DATA_DIR: dataDir }), /calotype\.sqlite/)
      assertFree(dataDir)
    }))

  test('with a server that cannot be made, after everything else', () =>
    withDataDir(async (dataDir) => {
      assert.match(await start({ DATA_DIR: dataDir }, REFUSED_LAST), /Invalid socket address/)
      assertFree(dataDir)
      assert.match(await start({ DATA_DIR: dataDir, METRICS_PORT: '0' }, REFUSED_LAST), /Invalid socket address/)
    }))

  describe('in a cluster', () => {
    const { newDatabase } = withPostgres()

    test('whose Redis cannot be reached: its connections do not go on trying', () =>
      withDataDir(async (dataDir) => {
        const [nobody] = await freePorts(1)
        const env = { DATA_DIR: dataDir, DATABASE_URL: await newDatabase(), REDIS_URL: `redis://127.0.0.1:${nobody}` }
        assert.match(await start(env, REFUSED_LAST), /Invalid socket address/)
      }))

    test('whose database cannot be reached', () =>
      withDataDir(async (dataDir) => {
        const [nobody] = await freePorts(1)
        const url = `127.0.0.1:${nobody}`
        const env = { DATA_DIR: dataDir, DATABASE_URL: `postgres://calotype@${url}/calotype`, REDIS_URL: `redis://${url}` }
        assert.match(await start(env), /DATABASE_URL/)
      }))
  })
})
