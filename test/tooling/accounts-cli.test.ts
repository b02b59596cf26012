// `calotype admin` and `calotype key`, for real: with and without a server that runs.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import type { ApiAuditEntry } from '../../src/api/audit.ts'
import { letIn, login, makeKey, PASSWORD, send, setUp, setupTokenOf, signIn } from '../support/clients/accounts.ts'
import { ask, upload } from '../support/clients/client.ts'
import { query } from '../support/servers/data-dir.ts'
import { startServer } from '../support/servers/server.ts'

const cli = join(import.meta.dirname, '../../src/cli.ts')
const AUTH = { AUTH: 'required', LOG_LEVEL: 'warn' }

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'calotype-accounts-'))
})
after(() => rmSync(folder, { recursive: true }))

function calotype(dataDir: string, args: string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', cli, ...args], {
    env: { DATA_DIR: dataDir, LOG_LEVEL: 'silent' },
    cwd: folder,
    input,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status, stdout, stderr }
}

function assertRefused(result: ReturnType<typeof calotype>, sentence: RegExp) {
  assert.deepEqual([result.status, result.stdout], [1, ''], result.stderr)
  assert.match(result.stderr, sentence)
  assert.match(result.stderr, /^[^\n]+\.\n$/)
}

test('an administrator is made before the first start, which then offers no set-up; a password is reset', async () => {
  const dataDir = join(folder, 'first')
  const made = calotype(dataDir, ['admin', 'create', '--email', 'Root@example.org'], `${PASSWORD}\n`)
  assert.deepEqual([made.status, made.stdout], [0, 'root@example.org is an administrator now.\n'], made.stderr)
  await using server = await startServer({ env: AUTH, dataDir })
  assert.equal(setupTokenOf(server.output()), undefined)
  const root = await signIn(server, 'root@example.org')

  // Beside the server, whose lock is on the folder.
  const key = await makeKey(server, root, ['read'])
  const resetWith = (password: string, ...flags: string[]) =>
    calotype(dataDir, ['admin', 'reset-password', '--email', 'root@example.org', ...flags], password)
  const kept = resetWith('a password in between')
  assert.equal(kept.status, 0, kept.stderr)
  assert.match(kept.stdout, /^root@example\.org has a new password and is signed out everywhere\.\n1 API key is still valid\. /)
  assert.equal((await ask(server, '/api/list', { headers: key.headers })).status, 200)
  const reset = resetWith('a password that is new', '--revoke-keys')
  assert.match(reset.stdout, /everywhere\.\n1 API key is revoked\.\n$/)
  assert.equal((await ask(server, '/api/list', { headers: key.headers })).status, 401)
  assert.equal((await ask(server, '/api/list', { headers: root.headers })).status, 401)
  assert.equal((await login(server, root.email)).status, 401)
  const again = await signIn(server, root.email, 'a password that is new')
  const { body } = await ask<ApiAuditEntry[]>(server, '/api/admin/audit?action=user', { headers: again.headers })
  assert.deepEqual(
    body.map(({ action, via }) => [action, via]),
    [
      ['user.password_reset', 'cli'],
      ['user.password_reset', 'cli'],
      ['user.created', 'cli'],
    ],
  )
  assert.equal(again.id, root.id)
})

test('what can not be is refused in a sentence', () => {
  const dataDir = join(folder, 'refused')
  const create = (args: string[], input: string) => calotype(dataDir, ['admin', 'create', ...args], input)
  assertRefused(create([], PASSWORD), /^Nobody is there to be asked\. Add --email/)
  assertRefused(create(['--email', 'root'], PASSWORD), /^"root" is not an e-mail address/)
  assertRefused(create(['--email', 'root@example.org'], 'short\n'), /^A password has 12 to 200 characters; this one has 5/)
  assertRefused(create(['--email', 'root@example.org'], ''), /^A password has 12/)
  assertRefused(create(['--email', 'root@example.org', '--name', ''], PASSWORD), /^A name is one line/)
  assert.equal(create(['--email', 'root@example.org'], PASSWORD).status, 0)
  assertRefused(create(['--email', 'ROOT@example.org'], PASSWORD), /^There is an account with this e-mail address already/)
  assertRefused(calotype(dataDir, ['admin', 'reset-password', '--email', 'eve@example.org'], PASSWORD), /^Nobody has an account/)

  const key = (...args: string[]) => calotype(dataDir, ['key', 'create', '--owner', 'root@example.org', ...args])
  assertRefused(key('--scopes', 'everything'), /^--scopes is "everything"; it must be some of upload, read, delete, admin/)
  assertRefused(key('--scopes', 'read', '--expires', 'soon'), /^--expires is "soon"/)
  assertRefused(key('--scopes', 'read', '--expires', '2001-01-01'), /^--expires is "2001-01-01", which lies in the past/)
  assertRefused(calotype(dataDir, ['key', 'revoke', 'none']), /^There is no key none/)
})

test('keys are made, listed and revoked beside a running server', async () => {
  await using server = await startServer({ env: AUTH })
  const root = await setUp(server)
  await letIn(server, root, 'ada@example.org')
  const key = (...args: string[]) => calotype(server.dataDir, ['key', ...args])
  const made = key('create', '--owner', 'ada@example.org', '--scopes', 'upload,read', '--expires', '90d', '--name', 'her script')
  assert.equal(made.status, 0, made.stderr)
  assert.match(made.stdout, /^calo_[\w-]{43}\n$/)
  const headers = { authorization: `Bearer ${made.stdout.trim()}` }
  assert.equal((await ask(server, '/api/list', { headers })).status, 200)
  assert.equal((await ask(server, '/api/admin/users', { headers })).status, 403)
  assertRefused(key('create', '--owner', 'ada@example.org', '--scopes', 'admin'), /^ada@example\.org is a member and may not do "admin"/)

  const listed = key('list', '--owner', 'ada@example.org').stdout.trim().split('\n')
  assert.equal(listed.length, 1)
  assert.match(
    listed[0]!,
    /^[0-9a-f-]{36} {2}calo_\S{6}… {2}valid {2}ada@example\.org {2}upload,read {2}expires \d{4}-\d\d-\d\d {2}used \d{4}-\d\d-\d\d {2}her script$/,
  )
  assert.ok(!listed[0]!.includes(made.stdout.trim()))
  assert.equal(key('revoke', listed[0]!.slice(0, 36)).status, 0)
  assert.equal((await ask(server, '/api/list', { headers })).status, 401)
  assert.match(key('list').stdout, / {2}revoked {2}/)
})

test('images are deleted through a server with accounts, by a key that ends with the command', async () => {
  await using server = await startServer({ env: AUTH })
  const before = calotype(server.dataDir, ['images', 'delete', '--all', '--yes'])
  assert.equal(before.status, 1)
  assert.match(before.stderr, /401/)
  const root = await setUp(server)
  const bytes = await import('sharp').then(({ default: sharp }) =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
  )
  const form = new FormData()
  form.append('images', new Blob([bytes.slice()]), 'red.png')
  const sent = await ask(server, '/api/async/upload', { method: 'POST', body: form, headers: root.headers })
  assert.equal(sent.status, 202, sent.text)
  assert.equal((await upload(server, 'async', [{ name: 'red.png', bytes }])).status, 401)
  const deleted = calotype(server.dataDir, ['images', 'delete', '--all', '--yes'])
  assert.deepEqual([deleted.status, deleted.stdout], [0, 'Deleted 1 images.\n'], deleted.stderr)
  assert.deepEqual(await query(server, 'select id from api_keys where revoked_at is null'), [])
})

test('a restart offers another set-up link while nobody has an account; both work until one is used', async () => {
  const dataDir = join(folder, 'set-up')
  const first = await startServer({ env: AUTH, dataDir })
  const token = setupTokenOf(first.output())
  await first.stop()
  await using second = await startServer({ env: AUTH, dataDir })
  assert.notEqual(setupTokenOf(second.output()), token)
  assert.match(second.output(), /^set-up http:\/\/127\.0\.0\.1:\d+\/setup#/m)
  await setUp(second)
  const late = { token, email: 'eve@example.org', password: PASSWORD, name: 'Eve' }
  assert.equal((await send(second, 'POST', '/api/auth/setup', late)).body.code, 'setup_link_invalid')
})

test('a password that is typed is asked for twice and not shown', async () => {
  const command = `'${process.execPath}' --disable-warning=ExperimentalWarning '${cli}' admin create --email tty@example.org`
  // The one of util-linux: it gives a command a terminal.
  const terminal = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH, DATA_DIR: join(folder, 'tty'), LOG_LEVEL: 'silent', TERM: 'dumb' },
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let shown = ''
  let answered = 0
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk
    const asked = shown.match(/(Password|The same again): /g)?.length ?? 0
    for (; answered < asked; answered += 1) setTimeout(() => terminal.stdin.write(`${PASSWORD}\r`), 200)
  })
  const [output] = await Promise.all([text(terminal.stdout), new Promise((resolve) => terminal.once('exit', resolve))])
  assert.match(output, /tty@example\.org is an administrator now\./)
  assert.ok(!shown.includes(PASSWORD), shown)
})
