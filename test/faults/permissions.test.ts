// A folder that may not be written, or belongs to somebody else: one sentence at the start, and never an image that breaks later.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { refusedStart } from '../support/servers/server.ts'
import { tellFigures } from './run/figures.ts'

const SOMEBODY = 65_534
const isRoot = process.getuid?.() === 0
/** Root may write everywhere: the server is somebody who may not. */
const through = isRoot ? ['setpriv', `--reuid=${SOMEBODY}`, `--regid=${SOMEBODY}`, '--clear-groups', '--'] : []

interface Case {
  what: string
  /** Makes the folder as it is to be found. */
  make: (dataDir: string) => void
}

const shards = (dataDir: string) => {
  for (const prefix of ['originals', 'renditions'])
    for (let byte = 0; byte < 256; byte++) mkdirSync(join(dataDir, prefix, byte.toString(16).padStart(2, '0')), { recursive: true })
  mkdirSync(join(dataDir, 'tmp'))
}
const own = (path: string) => isRoot && spawnSync('chown', ['-R', `${SOMEBODY}:${SOMEBODY}`, path])

const CASES: Case[] = [
  { what: 'a folder that may only be read', make: (dataDir) => (own(dataDir), chmodSync(dataDir, 0o555)) },
  {
    what: 'a folder of originals that may only be read',
    make: (dataDir) => (mkdirSync(join(dataDir, 'originals')), own(dataDir), chmodSync(join(dataDir, 'originals'), 0o555)),
  },
  {
    what: 'a folder within the originals that may only be read',
    make: (dataDir) => (shards(dataDir), own(dataDir), chmodSync(join(dataDir, 'originals', 'a7'), 0o555)),
  },
  {
    what: 'a folder for what is being written that may only be read',
    make: (dataDir) => (shards(dataDir), own(dataDir), chmodSync(join(dataDir, 'tmp'), 0o555)),
  },
]
if (isRoot) {
  CASES.push(
    { what: 'a folder of another user', make: (dataDir) => chmodSync(dataDir, 0o755) },
    {
      what: 'a folder within the renditions of another user',
      make: (dataDir) => (shards(dataDir), own(dataDir), spawnSync('chown', ['0:0', join(dataDir, 'renditions', '3c')])),
    },
  )
}

for (const { what, make } of CASES) {
  test(what, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'calotype-fault-'))
    chmodSync(folder, 0o755)
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const dataDir = join(folder, 'data')
    mkdirSync(dataDir)
    make(dataDir)
    const said = await refusedStart({ dataDir, through, env: { LOG_LEVEL: 'info' } })
    assert.equal(said.length, 1, said.join('\n'))
    assert.match(said[0]!, /^DATA_DIR:? .*(can't be written|cannot be used).*\.$/)
    tellFigures(t, 'permissions', 'embedded', { note: what })
  })
}
