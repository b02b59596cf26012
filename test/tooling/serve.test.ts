// `serve` and what is done beside it: said when ready, stopped by signals, emptied with and without a server.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder = ''
const started = new Set<number>()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-serve-'))
})
afterEach(() => {
  for (const pid of started) {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // Ended, as it should.
    }
  }
  started.clear()
  rmSync(folder, { recursive: true })
})

const env = () => ({ PATH: process.env.PATH, PORT: '0', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' })

/** A command that serves, in a process group of its own, once it has said for the `times`th time that it is ready. */
function start(command: string, args: string[], cwd = root) {
  const child = spawn(command, args, { cwd, env: env(), detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  assert.ok(child.pid)
  started.add(child.pid)
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(child, 'exit').then(([code]) => assert.fail(`It ended with ${code}, having said:\n${said}`))
  ended.catch(() => {})
  const ready = async (times: number) => {
    while ((said.match(/^data .*\n/gm) ?? []).length < times) await Promise.race([once(child.stdout, 'data'), ended])
    return said
  }
  return { child, ready }
}
const serve = () => start(process.execPath, ['src/cli.ts', 'serve'])

function calotype(...args: string[]) {
  const options = { cwd: root, env: env(), encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli.ts', ...args], options)
  return { status, stdout, stderr }
}

const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background: 'teal' } })
  .png()
  .toBuffer()

async function upload(url: string, count: number) {
  const form = new FormData()
  const file = new Blob([await pixel])
  for (let index = 0; index < count; index++) form.append('images', file, `${index}.png`)
  const answer = await fetch(`${url}api/async/batch/upload`, { method: 'POST', body: form })
  assert.equal(answer.status, 202)
}

const pageOf = (said: string) => /^page (\S+)$/m.exec(said)?.[1] ?? assert.fail(said)

test('it says where it is, stops at a signal that comes twice at once, and leaves no process', async () => {
  const { child, ready } = serve()
  const said = await ready(1)
  const url = pageOf(said)
  assert.equal(said, `Calotype is ready\npage ${url}\napi ${url}api\ndata ${join(folder, 'data')}\n`)
  assert.equal((await fetch(`${url}healthz`)).status, 200)
  child.kill('SIGINT')
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.throws(() => process.kill(-(child.pid ?? 0), 0), { code: 'ESRCH' })
})

test('a second server is refused with the PID of the first, and starts where that was killed', async () => {
  const first = serve()
  await first.ready(1)
  const { status, stdout, stderr } = calotype('serve')
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' })
  assert.match(stderr, new RegExp(`^Another Calotype \\(PID ${first.child.pid}\\) [^\\n]+\\n$`))
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  const second = serve()
  await second.ready(1)
  second.child.kill('SIGTERM')
  assert.deepEqual(await once(second.child, 'exit'), [0, null])
})

test('images delete --all empties a running server, of more images than a page has, and a folder without one', async () => {
  const { child, ready } = serve()
  const url = pageOf(await ready(1))
  await upload(url, 501)
  assert.deepEqual(calotype('images', 'delete', '--all', '--yes'), {
    status: 0,
    stdout: 'Deleted 501 images.\n',
    stderr: '500 of 501 deleted\n501 of 501 deleted\n',
  })
  assert.deepEqual(await (await fetch(`${url}api/list`)).json(), [])
  await upload(url, 2)
  child.kill('SIGTERM')
  await once(child, 'exit')
  assert.deepEqual(calotype('images', 'delete', '--all', '--yes'), { status: 0, stdout: 'Deleted 2 images.\n', stderr: '' })
  assert.equal(calotype('images', 'delete', '--all', '--yes').stdout, 'Deleted 0 images.\n')
})

test('migrate says what ran, once', () => {
  assert.match(calotype('migrate').stdout, /^ran 0001-\w+\n/)
  assert.equal(calotype('migrate').stdout, 'The database is up to date.\n')
})

test('npm run dev restarts on a change of any file, the child processes’ too', async () => {
  const clone = join(folder, 'clone')
  for (const name of ['bin', 'package.json', 'package-lock.json', 'scripts', 'src', 'tsconfig.json', 'web'])
    cpSync(join(root, name), join(clone, name), { recursive: true })
  for (const name of ['node_modules', 'runtime']) symlinkSync(join(root, name), join(clone, name))
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { dev: string } }
  const { child, ready } = start('sh', ['-c', scripts.dev], clone)
  await ready(1)
  appendFileSync(join(clone, 'src/process/child/make-renditions.ts'), '\n')
  const said = await ready(2)
  const url = said.match(/^page \S+$/gm)?.[1]?.slice('page '.length)
  assert.equal((await fetch(`${url}healthz`)).status, 200)
  child.kill('SIGTERM')
  await once(child, 'exit')
})
