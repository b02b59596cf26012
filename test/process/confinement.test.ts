// What children of the process step may do, as the system sees it; and that an image past its deadline is dead within a second of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { createChildPool } from '../../src/process/pool/child-pool.ts'
import { confine } from '../../src/process/pool/confinement.ts'
import type { ImageProcessor } from '../../src/process/image-processor.ts'
import { eventually } from '../support/clients/client.ts'
import { isAlive } from '../support/servers/processes.ts'
import { createDarkroom, encoded, photo } from './pictures.ts'

let darkroom: Awaited<ReturnType<typeof createDarkroom>>
before(async () => (darkroom = await createDarkroom()))
after(() => darkroom.remove())

const isLinux = process.platform === 'linux'
const LIMITS = { memoryBytes: 2 ** 29, maxPixels: 50_000_000 }

async function withChild(timeoutMs: number, use: (pid: number, pool: ImageProcessor) => Promise<void> | void): Promise<void> {
  const pool = createChildPool({ concurrency: 1, timeoutMs, ...LIMITS })
  try {
    const { outcome } = await pool.develop(await darkroom.task(await encoded(photo(60, 40), 'jpeg'), 'jpeg'))
    assert.equal(outcome, 'developed')
    await use(pool.stats().children[0]!.pid, pool)
  } finally {
    await pool.close(0)
  }
}

test('a child has nothing of the server’s environment', async () => {
  process.env.S3_SECRET_ACCESS_KEY = 'a-secret'
  try {
    await withChild(20_000, (pid) => {
      if (!isLinux) return
      const names = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .filter(Boolean)
        .map((entry) => entry.split('=')[0]!)
      const allowed = [
        'MALLOC_ARENA_MAX',
        'UV_THREADPOOL_SIZE',
        'VIPS_DISC_THRESHOLD',
        'NODE_COMPILE_CACHE',
        'NODE_CHANNEL_FD',
        'NODE_CHANNEL_SERIALIZATION_MODE',
        'PWD',
      ]
      assert.deepEqual(
        names.filter((name) => !allowed.includes(name)),
        [],
      )
    })
  } finally {
    delete process.env.S3_SECRET_ACCESS_KEY
  }
})

test('a child has limits, a process group of its own, and gives way to others', async () => {
  await withChild(20_000, async (pid) => {
    if (!isLinux) return
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
    const limit = (name: string) => Number(new RegExp(`^Max ${name} +(\\d+)`, 'm').exec(limits)?.[1])
    assert.equal(limit('core file size'), 0)
    assert.equal(limit('open files'), 128)
    assert.equal(limit('file size'), 256 * 2 ** 20)
    // An idle child, and the dearest image there may be.
    assert.equal(limit('data size'), 2 ** 30 + 40 * LIMITS.maxPixels - ((2 ** 30 + 40 * LIMITS.maxPixels) % 1024))
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // proc(5): group and session are the fields 5 and 6, niceness is 19.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    assert.deepEqual([fields[2], fields[3], fields[16]].map(Number), [pid, pid, 10])
    // The first to go where memory ends.
    assert.equal(Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')), 500)
    // Where sessions share the cores, that of the child is behind all others.
    const session = () => readFileSync(`/proc/${pid}/autogroup`, 'utf8')
    if (!existsSync(`/proc/${pid}/autogroup`)) return
    await eventually('its session gives way', async () => / nice 19$/m.test(session()))
  })
})

test('a child whose cores are taken by other programs gives way no more', async () => {
  const busy = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { detached: true, stdio: 'ignore', timeout: 60_000 }),
  )
  try {
    await withChild(20_000, async (pid, pool) => {
      if (!existsSync(`/proc/${pid}/autogroup`)) return
      const original = await encoded(photo(6_000, 4_000), 'jpeg')
      let ended = false
      const working = (async () => {
        while (!ended) await pool.develop(await darkroom.task(original, 'jpeg'))
      })()
      const session = () => readFileSync(`/proc/${pid}/autogroup`, 'utf8')
      await eventually('it gives way', async () => / nice 19$/m.test(session()))
      await eventually('it is like others', async () => / nice 0$/m.test(session()), 20_000).finally(() => (ended = true))
      await working
    })
  } finally {
    for (const { pid } of busy) process.kill(pid!, 'SIGKILL')
  }
})

test('where the system grants it, a child has no network and can gain no privileges', async () => {
  const { missing } = await confine(LIMITS.maxPixels, LIMITS.memoryBytes)
  assert.ok(!missing.includes('limits'), 'every system has a shell')
  await withChild(20_000, (pid) => {
    if (!isLinux) return
    const network = (of: number | 'self') => readlinkSync(`/proc/${of}/ns/net`)
    if (!missing.includes('no network')) assert.notEqual(network(pid), network('self'))
    if (missing.includes('no privileges')) return
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    assert.match(status, /^NoNewPrivs:\t1$/m)
    // At most CAP_DAC_OVERRIDE, root's right to read and write what belongs to others.
    assert.match(status, /^CapEff:\t000000000000000[02]$/m)
  })
})

test('an encoder that heeds no time limit is dead within a second of the deadline', async (t) => {
  // Noise: an AVIF of 1500×16,000 px takes its encoder many seconds in one piece.
  const noise = {
    create: { width: 1500, height: 16_000, channels: 3, background: 'grey', noise: { type: 'gaussian', mean: 128, sigma: 60 } },
  } as const
  const slow = await sharp(noise).avif({ effort: 0, quality: 90 }).toBuffer()
  const task = await darkroom.task(slow, 'avif')
  const timeoutMs = 1_000
  await withChild(timeoutMs, async (pid, pool) => {
    const startedAt = performance.now()
    const result = await pool.develop(task)
    const tookMs = performance.now() - startedAt
    t.diagnostic(`deadline ${timeoutMs} ms, dead after ${tookMs.toFixed(0)} ms`)
    assert.deepEqual(result.outcome === 'failed' && result.failure.code, 'processing_timeout')
    assert.ok(tookMs >= timeoutMs && tookMs <= timeoutMs + 1_000, `${tookMs} ms`)
    for (let waitedMs = 0; isAlive(pid) && waitedMs < 1_000; waitedMs += 10) await sleep(10)
    assert.equal(isAlive(pid), false)
  })
})
