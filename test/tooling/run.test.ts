// bin/run: sets up once, then stays out of the way.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
let clone = ''

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'calotype-clone-'))
  for (const name of ['bin', 'package.json', 'package-lock.json', 'runtime/package.json', 'runtime/package-lock.json', 'src']) {
    cpSync(join(root, name), join(clone, name), { recursive: true })
  }
  mkdirSync(join(clone, 'path'))
  writeFileSync(join(clone, 'said'), '')
  // Says what it is, for the tests that need no more than a file to run.
  writeFileSync(join(clone, 'file.ts'), 'console.log(process.version, process.env.UV_THREADPOOL_SIZE, process.argv.slice(2).join())')
})
afterEach(() => rmSync(clone, { recursive: true }))

function executable(path: string, script: string) {
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

/** An npm that notes how it was called and does `then`, with the folder to install to in $folder. */
const npmThat = (then: string) => executable(join(clone, 'path/npm'), `echo "$1 $2 $3" >> '${clone}/said'\nfolder=$3\n${then}`)
const npmCalls = () => readFileSync(join(clone, 'said'), 'utf8').trim().split('\n').filter(Boolean)
const INSTALL_DEPENDENCIES = 'mkdir -p "$folder/node_modules" && echo {} > "$folder/node_modules/.package-lock.json"'
const INSTALL_NODE = `mkdir -p "$folder/node_modules/.bin" && ln -s '${process.execPath}' "$folder/node_modules/.bin/node"`

/** As a complete `npm ci` leaves it. */
function installed() {
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
}

/** The PATH has what `path/` in the clone holds, this Node (unless `path/` has another), and the system's tools. */
const environment = () => ({ PATH: [join(clone, 'path'), dirname(process.execPath), '/usr/bin', '/bin'].join(':'), HOME: clone })
const start = (...args: string[]) => spawn(join(clone, 'bin/run'), args, { env: environment(), cwd: tmpdir() })
const run = (...args: string[]) => spawnSync(join(clone, 'bin/run'), args, { env: environment(), cwd: tmpdir(), encoding: 'utf8' })

test('all set up: no npm is called, nothing is said, the arguments arrive', () => {
  installed()
  npmThat('exit 1')
  const { status, stdout, stderr } = run('src/cli.ts', '--version')
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '0.1.0\n', stderr: '' })
  assert.equal(run('file.ts', 'a b', '*').stdout, `${process.version} 16 a b,*\n`)
  assert.deepEqual(npmCalls(), [])
})

test('through a symlink it finds its clone', () => {
  installed()
  const link = join(clone, 'path/calotype')
  symlinkSync('../bin/run', link)
  assert.equal(spawnSync(link, ['src/cli.ts', '--version'], { env: environment(), encoding: 'utf8' }).stdout, '0.1.0\n')
})

test('dependencies are installed once, and again when the lock file changes', () => {
  npmThat(INSTALL_DEPENDENCIES)
  const first = run('file.ts')
  assert.equal(first.stdout, `${process.version} 16 \n`)
  assert.equal(first.stderr, 'Installing the dependencies (once)…\n')
  run('file.ts')
  assert.deepEqual(npmCalls(), ['ci --prefix .'])
  writeFileSync(join(clone, 'package-lock.json'), '{}')
  run('file.ts')
  assert.deepEqual(npmCalls(), ['ci --prefix .', 'ci --prefix .'])
})

test('an older Node on the PATH is passed by: the runtime is installed once, and is first on the PATH', () => {
  executable(join(clone, 'path/node'), `[ "$1" = -v ] && echo v24.10.9 || exec '${process.execPath}' "$@"`)
  npmThat(`if [ "$folder" = runtime ]; then ${INSTALL_NODE}; else ${INSTALL_DEPENDENCIES}; fi`)
  writeFileSync(
    join(clone, 'file.ts'),
    `import { execSync } from 'node:child_process'\nconsole.log(execSync('command -v node').toString())`,
  )
  for (let time = 1; time <= 2; time++) assert.equal(run('file.ts').stdout.trim(), join(clone, 'runtime/node_modules/.bin/node'))
  assert.deepEqual(npmCalls(), ['ci --prefix runtime', 'ci --prefix .'])
})

test('an install that fails ends in one sentence and is done again', () => {
  npmThat(`${INSTALL_DEPENDENCIES}; exit 1`)
  const { status, stdout, stderr } = run('file.ts')
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^Installing.*\nCalotype could not install the dependencies\. It needs a network[^\n]*\n$/)
  npmThat(INSTALL_DEPENDENCIES)
  assert.equal(run('file.ts').status, 0)
  assert.equal(npmCalls().length, 2)
})

test('npm that is content without the runtime is not', () => {
  executable(join(clone, 'path/node'), `[ "$1" = -v ] && echo v20.20.2 || exec '${process.execPath}' "$@"`)
  npmThat('mkdir -p "$folder/node_modules"')
  for (let time = 1; time <= 2; time++) assert.match(run('file.ts').stderr, /Calotype could not install Node 24/)
  assert.equal(npmCalls().length, 2)
})

test('several at once install once', async () => {
  npmThat(`sleep 1; ${INSTALL_DEPENDENCIES}`)
  const runs = Array.from({ length: 4 }, () => start('file.ts'))
  const codes = await Promise.all(runs.map(async (child) => ((await once(child, 'exit')) as [number])[0]))
  assert.deepEqual(codes, [0, 0, 0, 0])
  assert.deepEqual(npmCalls(), ['ci --prefix .'])
  assert.equal(existsSync(join(clone, '.setup.lock')), false)
})

test('the lock of a set-up that was killed is no obstacle', async () => {
  npmThat('sleep 30')
  const killed = spawn(join(clone, 'bin/run'), ['file.ts'], { env: environment(), detached: true })
  assert.ok(killed.pid)
  while (npmCalls().length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(readlinkSync(join(clone, '.setup.lock')), `pid-${killed.pid}`)
  // With the npm it started.
  process.kill(-killed.pid, 'SIGKILL')
  await once(killed, 'exit')
  npmThat(INSTALL_DEPENDENCIES)
  assert.equal(run('file.ts').status, 0)
})

test('signals reach Node itself', async () => {
  installed()
  writeFileSync(
    join(clone, 'file.ts'),
    `process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); console.log(process.pid)`,
  )
  const child = start('file.ts')
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  assert.equal(Number(said.toString()), child.pid)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [7, null])
})

test('every script of package.json gives way to what it runs', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const script of Object.values(scripts)) assert.match(script, /^exec bin\/run /)
})
