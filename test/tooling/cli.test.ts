// The command line: what it says before there is a server, and when there cannot be one.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { settingsHelp } from '../../src/config/help.ts'
import { lockDataDir } from '../../src/store/data-dir-lock.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function calotype(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    env: { DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'silent', ...env },
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, stdout, stderr }
}

/** One sentence or two on stderr, on one line: no stack. */
function assertRefused(result: ReturnType<typeof calotype>, sentence: RegExp) {
  assert.equal(result.status, 1, result.stderr)
  assert.equal(result.stdout, '')
  assert.match(result.stderr, sentence)
  assert.match(result.stderr, /^[^\n]+\.\n$/)
}

test('--help lists every setting, of every command', () => {
  for (const args of [['--help'], ['serve', '--help'], ['images', 'delete', '--help']]) {
    const { status, stdout } = calotype(args)
    assert.equal(status, 0)
    assert.ok(stdout.includes(settingsHelp()))
  }
})

test('--version is that of the package', () => {
  assert.equal(calotype(['--version']).stdout, '0.1.0\n')
})

test('an unknown command is refused', () => {
  assert.equal(calotype(['serv']).status, 1)
})

test('a bad setting stops every command with a sentence that names it', () => {
  for (const command of [['serve'], ['migrate'], ['images', 'delete', '--all', '--yes']]) {
    assertRefused(calotype(command, { PORT: 'http' }), /^PORT is "http"; it must be a whole number/)
  }
})

test('.env is read, and the environment wins over it', () => {
  writeFileSync(join(folder, '.env'), 'PORT=from-file\n')
  assertRefused(calotype(['serve']), /^PORT is "from-file"/)
  assertRefused(calotype(['serve'], { PORT: 'from-environment' }), /^PORT is "from-environment"/)
})

test('a DATA_DIR that cannot be one is named', () => {
  writeFileSync(join(folder, 'file'), '')
  assertRefused(calotype(['serve'], { DATA_DIR: join(folder, 'file'), PORT: '0' }), /^DATA_DIR .*file cannot be used/)
})

test('a DATA_DIR in use is refused with the PID of who has it', () => {
  const lock = lockDataDir(join(folder, 'data'), { pid: process.pid })
  try {
    assertRefused(calotype(['serve'], { PORT: '0' }), new RegExp(`PID ${process.pid}`))
  } finally {
    lock.release()
  }
})

test('a port that is taken is named', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const port = String((other.address() as { port: number }).port)
    assertRefused(calotype(['serve'], { PORT: port }), new RegExp(`^PORT ${port} on 127\\.0\\.0\\.1 is taken`))
  } finally {
    other.close()
  }
})

test('a HOST of another machine is named', () => {
  assertRefused(calotype(['serve'], { HOST: '192.0.2.1', AUTH: 'open', PORT: '0' }), /^HOST 192\.0\.2\.1 is not an address/)
})

test('a HOST that others may reach needs AUTH to be said, in a sentence that names it', () => {
  for (const HOST of ['0.0.0.0', '::']) {
    assertRefused(calotype(['serve'], { HOST, PORT: '0' }), /^HOST is .*AUTH=required.*AUTH=open/)
  }
})

test('deleting everything needs --all, and --yes where nobody can be asked', () => {
  assert.equal(calotype(['images', 'delete', '--yes']).status, 1)
  assertRefused(calotype(['images', 'delete', '--all']), /--yes/)
})

test('while the server starts, its images cannot be deleted from outside', () => {
  const lock = lockDataDir(join(folder, 'data'), { pid: process.pid })
  try {
    assertRefused(calotype(['images', 'delete', '--all', '--yes']), new RegExp(`PID ${process.pid}.*still starting`))
  } finally {
    lock.release()
  }
})
