// The pool of children: what it develops, and what becomes of images when children hang, die or lose their parent.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChildPoolOptions, createChildPool } from '../../src/process/pool/child-pool.ts'
import type { ImageProcessor, ImageTask, TaskResult } from '../../src/process/image-processor.ts'
import { isAlive, processesOfGroup } from '../support/servers/processes.ts'
import { createDarkroom, encoded, hasOutputs, photo, png } from './pictures.ts'

let darkroom: Awaited<ReturnType<typeof createDarkroom>>
let small: Buffer
/** Takes a child about a second. */
let slow: Buffer
before(async () => {
  small = await encoded(photo(700, 500), 'jpeg')
  slow = await photo(7000, 7000).png({ compressionLevel: 1, progressive: true }).toBuffer()
})
beforeEach(async () => (darkroom = await createDarkroom()))

const pools: ImageProcessor[] = []
const pids = (pool: ImageProcessor) => pool.stats().children.map((child) => child.pid)
const all: number[] = []

function open(options: Partial<ChildPoolOptions> = {}): ImageProcessor {
  const pool = createChildPool({ concurrency: 2, timeoutMs: 60_000, memoryBytes: 2 ** 29, maxPixels: 50_000_000, ...options })
  all.push(...pids(pool))
  pools.push(pool)
  return pool
}
afterEach(async () => {
  for (const pool of pools.splice(0)) {
    all.push(...pids(pool))
    await pool.close(0)
  }
  await darkroom.remove()
})
after(() => assert.deepEqual(all.filter(isAlive), [], 'children are left'))

async function until(met: () => boolean | undefined, what: string, withinMs = 20_000): Promise<void> {
  for (const end = Date.now() + withinMs; !met(); await sleep(5)) if (Date.now() > end) assert.fail(`${what}: not within ${withinMs} ms`)
}
const busy = (pool: ImageProcessor) => pool.stats().children.find((child) => child.busy)
const tasks = (bytes: Buffer, format: 'jpeg' | 'png' | 'avif', count: number) =>
  Promise.all(Array.from({ length: count }, () => darkroom.task(bytes, format)))

async function assertDeveloped(task: ImageTask, result: TaskResult) {
  assert.equal(result.outcome, 'developed', JSON.stringify(result))
  if (result.outcome !== 'developed') return
  const sizes = await Promise.all(task.outputs.map(async ({ operation, path }) => [operation, (await stat(path)).size]))
  assert.deepEqual(
    result.outputs.map((output) => [output.operation, 'size' in output && output.size]),
    sizes,
  )
}
function assertFailed(task: ImageTask, result: TaskResult, code: string) {
  assert.equal(result.outcome === 'failed' && result.failure.code, code, JSON.stringify(result))
  assert.equal(hasOutputs(task), false)
}
const developAll = async (pool: ImageProcessor, list: ImageTask[]) => {
  const results = await Promise.all(list.map((task) => pool.develop(task)))
  for (const [i, result] of results.entries()) await assertDeveloped(list[i]!, result)
}

describe('developing', () => {
  test('more tasks than it has hands for: all done, by both children, nothing left over', async () => {
    const pool = open()
    assert.equal(pool.capacity, 4)
    const list = await tasks(small, 'jpeg', 20)
    await developAll(pool, list)
    const { children, replaced, bytesInFlight } = pool.stats()
    assert.deepEqual([replaced, bytesInFlight, children.length], [0, 0, 2])
    assert.ok(children.every((child) => child.developed > 0 && !child.busy))
    assert.equal((await readdir(darkroom.folder)).length, 3 * list.length)
  })
  test('an image at fault fails with its reason and harms no other', async () => {
    const pool = open({ concurrency: 1 })
    const [good, bad, huge] = [
      await darkroom.task(small, 'jpeg'),
      await darkroom.task(small.subarray(0, 9_000), 'jpeg'),
      await darkroom.task(png(786_432, 32, 16), 'png'),
    ]
    const results = await Promise.all([bad, huge, good].map((task) => pool.develop(task)))
    assertFailed(bad, results[0]!, 'invalid_image')
    assertFailed(huge, results[1]!, 'image_too_large')
    await assertDeveloped(good, results[2]!)
    assert.equal(pool.stats().replaced, 0)
  })
  test('a child with nothing to do takes what waits behind a slow image', async () => {
    const pool = open()
    await developAll(pool, await tasks(small, 'jpeg', 4))
    const [first, quick] = [await darkroom.task(slow, 'png'), await tasks(small, 'jpeg', 3)]
    let slowDone = false
    const slowly = pool.develop(first).then((result) => ((slowDone = true), result))
    await developAll(pool, quick)
    assert.equal(slowDone, false)
    await assertDeveloped(first, await slowly)
  })
})

describe('children that die', () => {
  test('killed in the middle: its images and its neighbour’s are developed all the same', async () => {
    const pool = open()
    const list = [...(await tasks(slow, 'png', 2)), ...(await tasks(small, 'jpeg', 4))]
    const results = list.map((task) => pool.develop(task))
    await until(() => pool.stats().children.filter((child) => child.busy).length === 2, 'both children busy')
    await sleep(150)
    process.kill(busy(pool)!.pid, 'SIGKILL')
    for (const [i, result] of (await Promise.all(results)).entries()) await assertDeveloped(list[i]!, result)
    assert.equal(pool.stats().replaced, 1)
  })
  /** Ends whichever child has the only image in hand, three times. */
  async function killThrice(pool: ImageProcessor, signal: NodeJS.Signals, isAt: (pool: ImageProcessor) => boolean = () => true) {
    const killed = new Set<number>()
    for (let death = 1; death <= 3; death++) {
      await until(() => busy(pool) && !killed.has(busy(pool)!.pid) && isAt(pool), `a child busy after death ${death - 1}`)
      killed.add(busy(pool)!.pid)
      process.kill(busy(pool)!.pid, signal)
    }
  }
  test('an image that kills three children is given up, alone; nothing of it is left', async () => {
    const pool = open()
    const poison = await darkroom.task(slow, 'png')
    const result = pool.develop(poison)
    await killThrice(pool, 'SIGKILL')
    assertFailed(poison, await result, 'processing_crashed')
    assert.equal(pool.stats().replaced, 3)
    await developAll(pool, await tasks(small, 'jpeg', 4))
  })
  for (const [signal, code] of [
    ['SIGKILL', 'not_enough_memory'],
    ['SIGSEGV', 'processing_crashed'],
  ] as const) {
    test(`${signal} three times, of an image for which all the memory for pixels may be too little: ${code}`, async () => {
      const memoryBytes = 2 ** 26
      const pool = open({ memoryBytes })
      const large = await darkroom.task(slow, 'png')
      const result = pool.develop(large)
      await killThrice(pool, signal, () => pool.stats().bytesInFlight > memoryBytes / 2)
      assertFailed(large, await result, code)
      await developAll(pool, await tasks(small, 'jpeg', 4))
    })
  }
  test('a suspect is alone in its child, which then makes way for a fresh one', async () => {
    const pool = open({ concurrency: 1 })
    const list = [await darkroom.task(slow, 'png'), await darkroom.task(slow, 'png'), await darkroom.task(small, 'jpeg')]
    const results = list.map((task) => pool.develop(task))
    await until(() => busy(pool) !== undefined, 'the child busy')
    const seen = new Set([busy(pool)!.pid])
    process.kill(busy(pool)!.pid, 'SIGKILL')
    let done = false
    const finished = Promise.all(results).finally(() => (done = true))
    while (!done) {
      for (const child of pool.stats().children) if (child.busy) seen.add(child.pid)
      await sleep(5)
    }
    for (const [i, result] of (await finished).entries()) await assertDeveloped(list[i]!, result)
    assert.equal(seen.size, 4, 'the one killed, one for each of the two it had in hand, one for the rest')
    assert.equal(pool.stats().replaced, 1)
  })
  test('past its deadline an image ends its child, at the first time, and the one behind it is done without blame', async () => {
    const pool = open({ concurrency: 1, timeoutMs: 500 })
    const [late, behind] = [await darkroom.task(slow, 'png'), await darkroom.task(small, 'jpeg')]
    const results = [pool.develop(late), pool.develop(behind)]
    assertFailed(late, await results[0]!, 'processing_timeout')
    await assertDeveloped(behind, await results[1]!)
    assert.equal(pool.stats().replaced, 1)
  })
  test('children outlive the signals of a terminal, and not their parent', async () => {
    const pool = open({ concurrency: 1 })
    await developAll(pool, await tasks(small, 'jpeg', 1))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pids(pool)[0]!, signal)
    await developAll(pool, await tasks(small, 'jpeg', 1))
    assert.equal(pool.stats().replaced, 0)

    const owner = spawn(process.execPath, [join(import.meta.dirname, 'owner.ts'), JSON.stringify(await darkroom.task(slow, 'png'))])
    const [line] = (await once(owner.stdout, 'data')) as [Buffer]
    const children = JSON.parse(line.toString()) as number[]
    assert.ok(children.length === 2 && children.every(isAlive))
    owner.kill('SIGKILL')
    await until(() => !children.some(isAlive), 'the children of a killed parent are gone', 2_000)
  })
})

describe('children that cannot start', () => {
  const { execPath } = process
  afterEach(() => (process.execPath = execPath))

  function recordLog() {
    const lines: [level: string, message: string, fields: object][] = []
    const at = (level: string) => (fields: object, message: string) => void lines.push([level, message, fields])
    const of = (...levels: string[]) => lines.filter(([level]) => levels.includes(level)).map(([, message]) => message)
    return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, of }
  }

  for (const [path, sentence] of [
    ['/bin/false', /it ended before it was ready/],
    ['/nowhere/node', /is missing or may not be executed/],
  ] as const) {
    test(`${path}: work is interrupted, never failed; said once; tried ever less often; once it works again, all is well`, async () => {
      const { log, of } = recordLog()
      process.execPath = path
      const pool = open({ log })
      const list = await tasks(small, 'jpeg', 3)
      for (const result of await Promise.all(list.map((task) => pool.develop(task)))) assert.deepEqual(result, { outcome: 'interrupted' })
      assert.match(pool.obstacle() ?? '', sentence)
      assert.match(pool.obstacle() ?? '', /^No image can be processed, .* Images wait/)
      assert.deepEqual(pool.stats().children, [])
      await sleep(3_000)
      assert.deepEqual(await pool.develop(list[0]!), { outcome: 'interrupted' })
      assert.equal(of('error').length, 1, of('error').join('\n'))
      assert.ok(of('warn').length <= 1, of('warn').join('\n'))
      // Pauses of 0.1, 0.2, 0.4, 0.8 and 1.6 s, and the two starts at the beginning.
      const tries = of('error', 'warn', 'debug').filter((message) => /child process/.test(message)).length
      assert.ok(tries >= 4 && tries <= 8, `${tries} tries in 3 s`)
      process.execPath = execPath
      await pool.whenAble()
      assert.equal(pool.obstacle(), null)
      await developAll(pool, list)
      assert.equal(of('info').length, 1)
    })
  }
  test('a few failed starts after children have run hold work up and interrupt nothing', async () => {
    const { log, of } = recordLog()
    const pool = open({ log, concurrency: 1 })
    await developAll(pool, await tasks(small, 'jpeg', 1))
    process.execPath = '/nowhere/node'
    process.kill(pids(pool)[0]!, 'SIGKILL')
    await until(() => of('warn').some((message) => /could not be started/.test(message)), 'a start has failed')
    const [task] = await tasks(small, 'jpeg', 1)
    const result = pool.develop(task!)
    process.execPath = execPath
    await assertDeveloped(task!, await result)
    assert.deepEqual([pool.obstacle(), of('error')], [null, []])
  })
  test('one that is ended before it was given anything blames no image and is not replaced in a tight loop', async () => {
    const { log, of } = recordLog()
    const pool = open({ log, concurrency: 1 })
    await pool.whenAble()
    for (let death = 1; death <= 3; death++) {
      await until(() => pids(pool).some(isAlive), `a child after death ${death - 1}`)
      process.kill(pids(pool).find(isAlive)!, 'SIGKILL')
      await until(
        () => of('warn', 'error', 'debug').filter((message) => /could not be started|No image/.test(message)).length >= death,
        'noticed',
      )
    }
    assert.equal(pool.stats().replaced, 0)
    await pool.whenAble()
    await developAll(pool, await tasks(small, 'jpeg', 2))
  })
  test('closed meanwhile: nothing is tried any more', async () => {
    process.execPath = '/bin/false'
    const pool = open()
    await until(() => pool.obstacle() !== null, 'an obstacle')
    await pool.close(30_000)
    await pool.whenAble()
    assert.deepEqual(await pool.develop((await tasks(small, 'jpeg', 1))[0]!), { outcome: 'interrupted' })
  })
})

describe('memory', () => {
  const residentBytes = (pool: ImageProcessor) => processesOfGroup(...pids(pool)).reduce((sum, { rssMb }) => sum + rssMb * 1e6, 0)
  test('several progressive JPEGs of 48 megapixels at once stay within the budget', async () => {
    const original = await photo(8000, 6000).jpeg({ progressive: true }).toBuffer()
    const memoryBytes = 240 * 2 ** 20
    const pool = open({ concurrency: 3, memoryBytes })
    await developAll(pool, await tasks(small, 'jpeg', 6))
    const idleBytes = residentBytes(pool)
    const list = await tasks(original, 'jpeg', 4)
    let [peakBytes, mostGranted, done] = [0, 0, false]
    const working = developAll(pool, list).finally(() => (done = true))
    while (!done) {
      peakBytes = Math.max(peakBytes, residentBytes(pool))
      mostGranted = Math.max(mostGranted, pool.stats().bytesInFlight)
      await sleep(20)
    }
    await working
    assert.ok(mostGranted > 0 && mostGranted <= memoryBytes, `${mostGranted} bytes granted`)
    // Without a budget three at once take 3 × 150 MB.
    assert.ok(peakBytes - idleBytes <= memoryBytes * 1.5, `${(peakBytes - idleBytes) / 2 ** 20} MB above idle`)
    assert.equal(pool.stats().bytesInFlight, 0)
  })
  test('waiting for memory does not count against the deadline, and the dead give theirs back', async () => {
    // Held as a whole, so that it takes more than a child's share.
    const held = await photo(3000, 3000).png({ compressionLevel: 1, progressive: true }).toBuffer()
    const alone = open({ concurrency: 1 })
    await developAll(alone, await tasks(held, 'png', 1))
    const start = Date.now()
    await developAll(alone, await tasks(held, 'png', 1))
    // Nine one after the other: the last waits for longer than its deadline would allow, which leaves each five times what one took alone,
    // as others may want the cores meanwhile.
    const pool = open({ concurrency: 9, memoryBytes: 2 ** 20, timeoutMs: 5 * (Date.now() - start) })
    await developAll(pool, await tasks(small, 'jpeg', 18))
    const list = await tasks(held, 'png', 9)
    const results = list.map((task) => pool.develop(task))
    await until(() => pool.stats().bytesInFlight > 2 ** 19, 'memory granted')
    process.kill(busy(pool)!.pid, 'SIGKILL')
    for (const [i, result] of (await Promise.all(results)).entries()) await assertDeveloped(list[i]!, result)
    assert.equal(pool.stats().bytesInFlight, 0)
  })
})

describe('memory of the machine', () => {
  test('what needs more than there is at all is refused before any pixel, saying so, and ends no child', async () => {
    const pool = open({ memoryBytes: 2 ** 25, roomBytes: 100e6 })
    // Interlaced, so that all of its pixels are held: 147 MB of them. The other is of as many, and goes from row to row.
    const [held, rows] = [await darkroom.task(slow, 'png'), await darkroom.task(await photo(7000, 7000).jpeg().toBuffer(), 'jpeg')]
    const [refused, developed] = await Promise.all([pool.develop(held), pool.develop(rows)])
    assertFailed(held, refused, 'not_enough_memory')
    assert.match(
      refused.outcome === 'failed' ? refused.failure.error : '',
      /takes \d{3} MB of memory or more, and this server has 100 MB for it/,
    )
    await assertDeveloped(rows, developed)
    assert.equal(pool.stats().replaced, 0)
  })
  test('who gives pixels more than would be left has said so', async () => {
    const pool = open({ memoryBytes: 2 ** 29, roomBytes: 0 })
    await developAll(pool, await tasks(slow, 'png', 1))
  })
})

describe('closing', () => {
  test('with grace: what is begun is finished, what waits is interrupted, children are gone', async () => {
    const pool = open({ concurrency: 1 })
    const list = await tasks(slow, 'png', 3)
    const results = list.map((task) => pool.develop(task))
    await until(() => busy(pool) !== undefined, 'the child busy')
    const children = pids(pool)
    await pool.close(30_000)
    assert.deepEqual(
      (await Promise.all(results)).map(({ outcome }) => outcome),
      ['developed', 'interrupted', 'interrupted'],
    )
    assert.equal(children.some(isAlive), false)
    assert.deepEqual(await pool.develop(list[1]!), { outcome: 'interrupted' })
  })
  test('without grace, and again: at once, nothing left', async () => {
    const pool = open()
    const list = await tasks(slow, 'png', 4)
    const results = list.map((task) => pool.develop(task))
    await until(() => busy(pool) !== undefined, 'a child busy')
    const slowly = pool.close(30_000)
    await pool.close(0)
    await slowly
    for (const result of await Promise.all(results)) assert.deepEqual(result, { outcome: 'interrupted' })
    assert.equal((await readdir(darkroom.folder)).length, list.length)
  })
  test('before a child has started', () => open().close(0))
})
