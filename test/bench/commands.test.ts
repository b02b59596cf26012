// The other benches on as little as they take: each tells its figures as JSON, and says what it does.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { bench } from './run-bench.ts'

async function figures<Figures>(file: string, ...args: string[]): Promise<Figures> {
  const { code, stdout, stderr } = await bench(file, ...args, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Figures
}

test('every npm script of a bench has help', async () => {
  const { scripts } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const files = Object.entries(scripts)
    // The one of the page has no options.
    .filter(([name]) => /^bench(?!:web$)/.test(name))
    .map(([name, command]) => ({ name, file: /bench\/(\S+)$/.exec(command)?.[1] ?? '' }))
  assert.ok(files.length >= 14)
  for (const { name, file } of files) {
    const { code, stdout } = await bench(file, '--help')
    assert.equal(code, 0)
    assert.ok(stdout.startsWith(`Usage: npm run ${name} --`), stdout)
  }
})

test('small batches against one by one', async () => {
  const args = ['--images', '1,3', '--rounds', '1', '--megapixels', '0.1']
  const { batches } = await figures<{ batches: { images: number; oneByOneSeconds: number; batchSeconds: number; lessPercent: number }[] }>(
    'uploads/small-batches.ts',
    ...args,
  )
  assert.deepEqual(
    batches.map(({ images }) => images),
    [1, 3],
  )
  for (const { oneByOneSeconds, batchSeconds, lessPercent } of batches) {
    assert.ok(oneByOneSeconds > 0 && batchSeconds > 0)
    assert.ok(Math.abs(lessPercent - 100 * (1 - batchSeconds / oneByOneSeconds)) < 5)
  }
})

test('the way in alone', async () => {
  type Received = { rows: { bytes: number; filesPerSecond: number }[] }
  const { rows } = await figures<Received>('uploads/receive.ts', '--files', '20', '--bundle', '10', '--rounds', '1')
  assert.deepEqual(
    rows.map(({ bytes }) => bytes),
    [100_000, 1_000_000],
  )
  assert.ok(rows.every(({ filesPerSecond }) => filesPerSecond > 0))
})

test('outputs from one decode against separate calls', async () => {
  type Outputs = { formats: { format: string; ratio: number }[]; medianRatio: number }
  const { formats, medianRatio } = await figures<Outputs>('outputs/outputs.ts', '--images', '1', '--rounds', '1', '--megapixels', '0.1')
  assert.deepEqual(
    formats.map(({ format }) => format),
    ['jpeg', 'png', 'webp', 'avif', 'gif'],
  )
  assert.ok(formats.some(({ ratio }) => ratio === medianRatio))
})

test('acknowledgement against synced files', async () => {
  type Acknowledged = { batches: { acknowledgedMs: number; bareMs: number }[] }
  for (const how of [[], ['--frozen']]) {
    const { batches } = await figures<Acknowledged>('uploads/acknowledge.ts', '--images', '2', '--rounds', '1', ...how)
    assert.equal(batches.length, 2)
    for (const { acknowledgedMs, bareMs } of batches) assert.ok(acknowledgedMs > 0 && bareMs > 0)
  }
})

test('answers while all cores develop', async () => {
  type Responsive = { paths: { path: string; answers: number; times: { p99: number } }[] }
  const { paths } = await figures<Responsive>('answers/responsive.ts', '--seconds', '1', '--megapixels', '0.2')
  assert.equal(paths.length, 3)
  for (const { answers, times } of paths) assert.ok(answers >= 30 && times.p99 > 0)
})

test('many watchers miss nothing', async () => {
  type Events = { watchers: number; events: number; missed: number; seconds: number }
  const { watchers, events, missed, seconds } = await figures<Events>('answers/events.ts', '--watchers', '7', '--events', '11')
  assert.deepEqual({ watchers, events, missed }, { watchers: 7, events: 11, missed: 0 })
  assert.ok(seconds >= 0)
})

test('pages of a long list on both databases', async () => {
  type Lists = { databases: { database: string; pages: { page: string; images: number; times: { p99: number } }[] }[] }
  const { databases } = await figures<Lists>('answers/lists.ts', '--rows', '2500', '--requests', '3')
  assert.deepEqual(
    databases.map(({ database }) => database),
    ['sqlite', 'postgres'],
  )
  for (const { pages } of databases) {
    assert.ok(pages.length > 20 && pages.every(({ times }) => times.p99 > 0))
    for (const [name, images] of [
      ['count of all', 2_500],
      ['search, all match', 100],
      ['search, none match', 0],
      ['of a member, count', 3],
    ]) {
      assert.equal(pages.find(({ page }) => page === name)?.images, images, String(name))
    }
  }
})

test('memory over many photographs', async () => {
  const { parts } = await figures<{ parts: { images: number; peakSoFarMb: number }[] }>(
    'process/memory.ts',
    '--images',
    '10',
    '--megapixels',
    '0.2',
  )
  assert.deepEqual(
    parts.map(({ images }) => images),
    [2, 4, 6, 8, 10],
  )
  assert.ok(parts.at(-1)!.peakSoFarMb > 50)
})

test('from the command to a healthy server', async () => {
  const { commands } = await figures<{ commands: { command: string; freshMs: number; againMs: number }[] }>(
    'process/start.ts',
    '--rounds',
    '1',
    '--commands',
    'npm start',
  )
  assert.deepEqual(
    commands.map(({ command }) => command),
    ['npm start'],
  )
  for (const { freshMs, againMs } of commands) assert.ok(freshMs > 0 && againMs > 0)
})

test('bombs of every format', async () => {
  const { bombs } = await figures<{ bombs: { wanted: string; code: string; cpuMs: number }[] }>('outputs/bombs.ts', '--bytes', '6000000')
  assert.ok(bombs.length >= 20)
  for (const { wanted, code, cpuMs } of bombs) assert.ok(code === wanted && cpuMs > 0)
})

test('the budget: kept, broken by a fifth, written anew', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const file = join(folder, 'budget.json')
  const measure = async (batch: number, ...args: string[]) => {
    await writeFile(file, JSON.stringify({ batch }))
    return bench('journey/budget.ts', '--images', '3', '--rounds', '1', '--megapixels', '0.1-0.4', '--budget', file, ...args)
  }
  try {
    assert.equal((await measure(1_000)).code, 0)
    const broken = await measure(0.001)
    assert.equal(broken.code, 1)
    assert.match(broken.stderr, /batch costs more CPU than it did/)
    assert.equal((await measure(0.001, '--write')).code, 0)
    assert.ok((JSON.parse(await readFile(file, 'utf8')) as { batch: number }).batch > 0.1)
  } finally {
    await rm(folder, { recursive: true })
  }
})
