// bin/run builds the web page where it is missing or old, once, and stays out of the way otherwise; what the page does not have in it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'

const root = join(import.meta.dirname, '../..')
let clone = ''

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'calotype-clone-'))
  for (const name of ['bin', 'package.json', 'package-lock.json']) cpSync(join(root, name), join(clone, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
  for (const folder of ['scripts', 'web/src']) mkdirSync(join(clone, folder), { recursive: true })
  for (const name of ['web/index.html', 'web/vite.config.ts', 'web/src/main.ts']) writeFileSync(join(clone, name), '')
  writeFileSync(join(clone, 'file.ts'), `console.log('ran')`)
  buildThat(`mkdirSync('web/dist', { recursive: true }); writeFileSync('web/dist/index.html', 'built')`)
})
afterEach(() => rmSync(clone, { recursive: true }))

/** The build notes that it ran, and does `then`. */
function buildThat(then: string) {
  const script = `import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'\nappendFileSync('builds', '+')\nvoid mkdirSync, writeFileSync\n${then}`
  writeFileSync(join(clone, 'scripts/build-page.ts'), script)
}
const builds = () => (existsSync(join(clone, 'builds')) ? readFileSync(join(clone, 'builds'), 'utf8').length : 0)
const run = (file = 'file.ts') =>
  spawnSync(join(clone, 'bin/run'), [file], {
    env: { PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(':'), HOME: clone },
    encoding: 'utf8',
  })
const later = (name: string) => {
  const soon = new Date(Date.now() + 5_000)
  utimesSync(join(clone, name), soon, soon)
}

test('the page is built once, and again when something it is made of is newer', () => {
  assert.deepEqual([run().stderr, run().stderr], ['Building the web page (once)…\n', ''])
  assert.equal(builds(), 1)
  for (const [index, name] of ['web/src/main.ts', 'web/src', 'web/vite.config.ts', 'package-lock.json'].entries()) {
    later(name)
    run()
    assert.equal(builds(), 2 + index, name)
    // As the build leaves it: as old as its beginning.
    const past = new Date(Date.now() - 60_000)
    utimesSync(join(clone, name), past, past)
  }
  assert.equal(existsSync(join(clone, '.setup.lock')), false)
})

test('a build that fails is said, and what was asked for still runs', () => {
  buildThat('process.exit(1)')
  const { status, stdout, stderr } = run()
  assert.deepEqual([status, stdout], [0, 'ran\n'])
  assert.match(stderr, /The web page could not be built/)
})

test('checks, and what builds the page itself, do not wait for it; a clone without a page has none to build', () => {
  writeFileSync(join(clone, 'scripts/check.ts'), `console.log('checked')`)
  assert.equal(run('scripts/check.ts').stdout, 'checked\n')
  assert.equal(builds(), 0)
  rmSync(join(clone, 'web'), { recursive: true })
  run()
  assert.equal(builds(), 0)
})

test('the page has no schemas in it: of the wire it takes the types', () => {
  const zod = readFileSync(join(root, 'node_modules/zod/v4/core/schemas.js'), 'utf8')
  const markers = ['invalid_type', 'invalid_format', 'unrecognized_keys']
  const scripts = readdirSync(join(root, 'web/dist/assets')).filter((name) => name.endsWith('.js'))
  assert.ok(scripts.length > 5)
  for (const marker of markers) {
    assert.ok(zod.includes(marker), `${marker} is no mark of zod any more`)
    for (const name of scripts)
      assert.ok(!readFileSync(join(root, 'web/dist/assets', name), 'utf8').includes(marker), `${marker} in ${name}`)
  }
})
