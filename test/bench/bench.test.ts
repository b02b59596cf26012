// The bench as a user runs it, on few and tiny images: its figures have the shape others read, and it leaves nothing behind.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Section } from '../../bench/journey/report.ts'
import { ask } from '../support/clients/client.ts'
import { photograph } from '../support/inputs/photographs.ts'
import { startServer } from '../support/servers/server.ts'
import { bench } from './run-bench.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
})
after(() => rm(folder, { recursive: true }))

const SMALL = ['--megapixels', '0.1-0.4', '--rounds', '1']

async function sections(...args: string[]): Promise<Section[]> {
  const { code, stdout, stderr } = await bench('journey/bench.ts', ...args, '--json')
  assert.equal(code, 0, stderr)
  return (JSON.parse(stdout) as { sections: Section[] }).sections
}

test('prints the figures of every mode as JSON, and draws them', async () => {
  const svg = join(folder, 'bench.svg')
  const [distinct, identical, ...others] = await sections('--images', '6', ...SMALL, '--svg', svg)
  assert.ok(distinct?.bare && identical && others.length === 0)
  assert.deepEqual([distinct.content, identical.content, identical.bare], ['distinct', 'identical', null])
  assert.deepEqual(Object.keys(distinct.bare), ['images', 'seconds', 'imagesPerSecond', 'cpuMsPerImage'])
  for (const { modes } of [distinct, identical]) {
    assert.deepEqual(
      modes.map(({ mode }) => mode),
      ['sync', 'async', 'batch'],
    )
    for (const { images, seconds, imagesPerSecond, cpuMsPerImage, peakRssMb, acknowledgedMs, completedMs, eventMs, asked } of modes) {
      assert.equal(images, 6)
      assert.ok(seconds > 0 && cpuMsPerImage !== null && cpuMsPerImage > 0)
      assert.ok(Math.abs(imagesPerSecond - images / seconds) < 0.02 * imagesPerSecond)
      assert.ok(peakRssMb !== null && peakRssMb > 50, 'a server with its children is larger than that')
      for (const times of [acknowledgedMs, completedMs, eventMs]) assert.ok(times && 0 <= times.p50 && times.p50 <= times.p99)
      assert.ok(acknowledgedMs!.p50 > 0 && acknowledgedMs!.p99 <= seconds * 1_000)
      assert.ok(asked && asked.dbWrites > 0 && asked.dbRoundTrips > asked.dbWrites)
    }
  }
  for (const { ratio, cpuRatio } of distinct.modes) assert.ok(ratio! > 0 && cpuRatio! > 0)
  for (const { ratio, cpuRatio } of identical.modes) assert.deepEqual([ratio, cpuRatio], [null, null])
  const picture = await readFile(svg, 'utf8')
  assert.match(picture, /^<svg [^]*<\/svg>\n$/)
  // The bare loop and three modes, then three modes.
  assert.equal(picture.match(/<rect /g)?.length, 7)
})

test('takes the images of a folder, each content once, and prints tables', async () => {
  const images = join(folder, 'images')
  await mkdir(images)
  await writeFile(join(images, 'a.jpg'), await photograph({ seed: 1, megapixels: 0.1 }))
  await writeFile(join(images, 'named.jpg'), await photograph({ seed: 2, megapixels: 0.1, format: 'png' }))
  await copyFile(join(images, 'a.jpg'), join(images, 'same.jpg'))
  await writeFile(join(images, 'text.jpg'), 'no image')
  const { code, stdout, stderr } = await bench('journey/bench.ts', '--from', images, '--modes', 'batch', '--rounds', '1', '--no-identical')
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^2 images, 0 megapixels/)
  assert.match(stdout, /^bare loop .*\nbatch .*\n\np50 \/ p99 .*\nbatch .*\n$/m)
})

test('a server that runs already is measured, and has nothing of it afterwards', async () => {
  await using server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  const args = ['--images', '3', ...SMALL, '--modes', 'sync,batch', '--url', `${server.url}/`]
  const [distinct] = await sections(...args, '--pid', String(server.pid))
  for (const { cpuMsPerImage, peakRssMb, cpuRatio, asked } of distinct!.modes) {
    // /proc tells it; without it there are no such figures.
    if (process.platform === 'linux') assert.ok(cpuMsPerImage! > 0 && peakRssMb! > 50 && cpuRatio! > 0)
    assert.equal(asked, null)
  }
  const [unknown] = await sections(...args)
  assert.deepEqual(
    unknown!.modes.map(({ cpuMsPerImage, peakRssMb, cpuRatio }) => [cpuMsPerImage, peakRssMb, cpuRatio]),
    [
      [null, null, null],
      [null, null, null],
    ],
  )
  assert.ok(unknown!.modes.every(({ ratio }) => ratio! > 0))
  assert.deepEqual((await ask(server, '/api/images/count')).body, { images: 0 })
})

test('a profile says where the time goes, and is kept', async () => {
  const kept = join(folder, 'profiles')
  const { code, stdout, stderr } = await bench('journey/bench.ts', '--images', '6', ...SMALL, '--profile', kept)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^code +ms\/image\n.+ \d+\.\d+$/m)
  assert.match(stdout, /^function +ms\/image\n.+ \d+\.\d+$/m)
  const names = readdirSync(kept)
  assert.ok(names.includes('flame.svg') && names.some((name) => name.endsWith('.cpuprofile')))
})

test('says what is wrong with its options', async () => {
  const mode = await bench('journey/bench.ts', '--modes', 'batch,slow')
  assert.equal(mode.code, 1)
  assert.match(mode.stderr, /"slow" is none of sync, async, batch/)
  const empty = join(folder, 'empty')
  await mkdir(empty)
  const { code, stderr } = await bench('journey/bench.ts', '--from', empty)
  assert.equal(code, 1)
  assert.match(stderr, /There is no JPEG, PNG, WebP, AVIF or GIF in/)
})
