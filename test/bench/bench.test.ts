// The bench as a user runs it, on few and tiny images: its figures have the shape others read, and it leaves nothing behind.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Report } from '../../bench/report.ts'
import { photograph } from '../support/photographs.ts'

const BENCH = join(import.meta.dirname, '../../bench/bench.ts')

function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BENCH, ...args], (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }))
  })
}

test('prints the figures of every mode as JSON', async () => {
  const { code, stdout, stderr } = await bench('--images', '6', '--megapixels', '0.1-0.4', '--json')
  assert.equal(code, 0, stderr)
  const { bare, modes } = JSON.parse(stdout) as Report
  assert.deepEqual(Object.keys(bare), ['images', 'seconds', 'imagesPerSecond', 'cpuMsPerImage'])
  assert.deepEqual(
    modes.map(({ mode }) => mode),
    ['sync', 'async', 'batch'],
  )
  for (const figures of [bare, ...modes]) {
    const { images, seconds, imagesPerSecond, cpuMsPerImage } = figures
    assert.equal(images, 6)
    assert.ok(seconds > 0 && cpuMsPerImage > 0)
    assert.ok(Math.abs(imagesPerSecond - images / seconds) < 0.02 * imagesPerSecond)
  }
  for (const { imagesPerSecond, cpuMsPerImage, ratio, cpuRatio, peakRssMb } of modes) {
    assert.ok(Math.abs(ratio - imagesPerSecond / bare.imagesPerSecond) < 0.01)
    assert.ok(Math.abs(cpuRatio - cpuMsPerImage / bare.cpuMsPerImage) < 0.01)
    assert.ok(peakRssMb > 50, 'a server with its children is larger than that')
  }
})

test('takes the images of a folder, each content once, and prints a table', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  try {
    await writeFile(join(folder, 'a.jpg'), await photograph({ seed: 1, megapixels: 0.1 }))
    await writeFile(join(folder, 'named.jpg'), await photograph({ seed: 2, megapixels: 0.1, format: 'png' }))
    await copyFile(join(folder, 'a.jpg'), join(folder, 'same.jpg'))
    await writeFile(join(folder, 'text.jpg'), 'no image')
    const { code, stdout, stderr } = await bench('--from', folder, '--modes', 'batch')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^2 images, 0 megapixels/)
    assert.match(stdout, /^bare loop .*\nbatch .*\n$/m)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('says what is wrong with its options', async () => {
  const mode = await bench('--modes', 'batch,slow')
  assert.equal(mode.code, 1)
  assert.match(mode.stderr, /"slow" is none of sync, async, batch/)
  const folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  try {
    const { code, stderr } = await bench('--from', folder)
    assert.equal(code, 1)
    assert.match(stderr, /There is no JPEG, PNG, WebP, AVIF or GIF in/)
  } finally {
    await rm(folder, { recursive: true })
  }
})
