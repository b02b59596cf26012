// The dependency rule is a check that fails: forbidden imports of every kind, planted in a copy of the tree.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const COPIED = ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']

const FORBIDDEN = [
  ['store-is-a-step-alone', 'src/store/forbidden-1.ts', `import type { JobQueue } from '../queue/job-queue.ts'`],
  ['queue-is-a-step-alone', 'src/queue/forbidden-2.ts', `import '../flow/develop/process-images.ts'`],
  ['publish-is-a-step-alone', 'src/publish/forbidden-3.ts', `import '../http/hooks/problem.ts'`],
  ['db-knows-base', 'src/db/forbidden-4.ts', `import type { BlobStore } from '../store/blob-store.ts'`],
  ['base-knows-no-step', 'src/image.ts', `import '../src/store/filesystem/filesystem.ts'`],
  ['errors-on-their-own', 'src/errors.ts', `import './log.ts'`],
  ['rendition-is-pure', 'src/rendition/forbidden-25.ts', `import '../errors.ts'`],
  ['rendition-does-no-io', 'src/rendition/forbidden-26.ts', `import 'node:fs'`],
  ['config-knows-errors', 'src/config/readers.ts', `import '../image.ts'`],
  ['flow-tells-the-story-of-steps', 'src/flow/forbidden-5.ts', `import '../http/hooks/problem.ts'`],
  ['contracts-are-types', 'src/flow/forbidden-6.ts', `import '../record/group-commit.ts'`],
  ['contracts-are-types', 'src/http/forbidden-7.ts', `export const store = import('../store/filesystem/filesystem.ts')`],
  ['adapters-are-chosen-in-one-place', 'src/app.ts', `import '../src/record/sql-records.ts'`],
  ['adapters-are-chosen-in-one-place', 'src/maintain.ts', `import '../src/record/admin/sql-row-archive.ts'`],
  [
    'adapters-are-chosen-in-one-place',
    'src/http/forbidden-27.ts',
    `import type { openFilesystemStore } from '../store/filesystem/filesystem.ts'`,
  ],
  ['adapters-are-chosen-in-one-place', 'src/flow/forbidden-28.ts', `import type { createMemoryFeed } from '../publish/memory-feed.ts'`],
  ['adapters-know-no-http', 'src/adapters/forbidden-29.ts', `import '../http/hooks/problem.ts'`],
  ['http-calls-flows', 'src/http/forbidden-8.ts', `import { readConfig } from '../cli/serve.ts'`],
  ['only-cli-starts-the-app', 'src/http/forbidden-9.ts', `import type { App } from '../app.ts'`],
  ['only-process-knows-sharp', 'src/http/forbidden-10.ts', `import sharp from 'sharp'`],
  ['only-http-knows-fastify', 'src/flow/forbidden-11.ts', `import type { FastifyInstance } from 'fastify'`],
  ['only-http-knows-fastify', 'src/flow/forbidden-12.ts', `import cors from '@fastify/cors'`],
  ['only-receive-parses-multipart', 'src/http/forbidden-13.ts', `import busboy from '@fastify/busboy'`],
  ['only-db-and-record-know-kysely', 'src/flow/forbidden-14.ts', `import type { Kysely } from 'kysely'`],
  ['only-db-and-record-know-sqlite', 'src/flow/forbidden-15.ts', `import { DatabaseSync } from 'node:sqlite'`],
  ['only-observe-knows-prometheus-and-opentelemetry', 'src/flow/forbidden-20.ts', `import '@prometheus-io/client'`],
  ['store-is-a-step-alone', 'src/store/forbidden-21.ts', `import type { Observer } from '../observe/observer.ts'`],
  ['flow-tells-the-story-of-steps', 'src/flow/forbidden-22.ts', `import type { Observer } from '../observe/observer.ts'`],
  ['http-calls-flows', 'src/http/forbidden-23.ts', `import '../observe/prometheus.ts'`],
  ['who-watches-knows-contracts-only', 'src/observe/forbidden-24.ts', `import '../store/filesystem/filesystem.ts'`],
  ['not-to-dev-dependency', 'src/http/forbidden-16.ts', `import WebSocket from 'ws'`],
  ['not-to-unresolvable', 'src/http/forbidden-17.ts', `import './nowhere.ts'`],
  ['no-circular', 'src/store/blob-store.ts', `import './filesystem/filesystem.ts'`],
  ['web-knows-the-wire', 'web/forbidden-18.ts', `import type { Image } from '../src/image.ts'`],
  ['web-takes-types-only', 'web/forbidden-27.ts', `import { image } from '../src/api/images.ts'`],
  ['web-takes-types-only', 'web/forbidden-30.svelte', `<script lang="ts">import { key } from '../src/api/keys.ts'; key.example</script>`],
  ['api-knows-what-travels', 'src/api/forbidden-28.ts', `import type { Config } from '../config.ts'`],
  ['api-needs-only-zod', 'src/api/forbidden-29.ts', `import { Readable } from 'node:stream'`],
  ['bench-goes-through-http', 'bench/forbidden-19.ts', `import '../src/store/filesystem/filesystem.ts'`],
] as const

let copy = ''
let found: string[] = []

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'calotype-rule-'))
  for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const [, file, line] of FORBIDDEN) {
    mkdirSync(join(copy, dirname(file)), { recursive: true })
    appendFileSync(join(copy, file), `\n${line}\n`)
  }
  const { status, stdout } = cruise(copy, 'src', 'web', 'bench')
  assert.notEqual(status, 0)
  found = stdout.split('\n')
})
after(() => rmSync(copy, { recursive: true }))

function cruise(cwd: string, ...folders: string[]) {
  const command = join(root, 'node_modules/.bin/depcruise')
  return spawnSync(process.execPath, [command, '--config', '.dependency-cruiser.cjs', ...folders], { cwd, encoding: 'utf8' })
}

test('the tree keeps the rule', () => {
  const { status, stdout } = cruise(root, 'src', 'bench', 'scripts', 'test')
  assert.equal(status, 0, stdout)
})

for (const [rule, file, line] of FORBIDDEN) {
  test(`${rule}: ${file} may not ${line}`, () => {
    assert.ok(
      found.some((said) => said.includes(`error ${rule}: ${file} `)),
      found.join('\n'),
    )
  })
}
