// The order of durability, as the kernel saw it: write, sync of the file, rename, sync of the folder, commit, and only then the answer.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { originalKey } from '../../src/rendition/keys.ts'
import { sendUnit } from '../cluster/ledger.ts'
import { ROUNDS } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { processesOfGroup } from '../support/servers/processes.ts'
import { assertWell, settle, tellFigures } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'
import { postgresCommits, sqliteCommits, startTrace, violations } from './run/trace.ts'

/** Files of each upload, sent one upload after the other. */
const UPLOADS = [1, 1, 1, 5, 40]

onEachTopology(
  (topology, open, engines) => {
    test('bytes, names, rows, answer: no step before the one it stands on', { timeout: 300_000 }, async (t) => {
      await using subject = await open()
      const folder = await mkdtemp(join(tmpdir(), 'calotype-trace-'))
      t.after(() => rm(folder, { recursive: true }))
      const postgres = topology === 'cluster' ? processesOfGroup((await engines().member('postgres')).pid!).map(({ pid }) => pid) : []
      const trace = await startTrace([subject.server.pid, ...postgres], join(folder, 'trace'))
      const uploads: string[][] = []
      let sent = 0
      for (const count of UPLOADS) {
        const bytes = await smallPhotographs(count, { seed: sent })
        const files = bytes.map((each, index) => ({ name: `${sent + index}.jpg`, bytes: each }))
        sent += count
        uploads.push(bytes.map((each) => originalKey(createHash('sha256').update(each).digest('hex'))))
        await sendUnit(subject, { endpoint: 'async', files }, subject.ledger)
      }
      const lines = await trace.end()
      const commits = topology === 'cluster' ? postgresCommits : sqliteCommits
      assert.deepEqual(violations(lines, uploads, commits), [])
      tellFigures(t, 'order of durability', topology, { note: `${sent} files, ${lines.length} calls, violations 0` })

      // A reader that finds nothing wrong with anything would say the same.
      const [first] = uploads[0]!
      const without = (isOut: (line: string) => boolean) =>
        violations(
          lines.filter((line) => !isOut(line)),
          uploads,
          commits,
        )
      const isFolderSync = (line: string) => /f(data)?sync\(/.test(line) && line.includes(`${first!.slice(0, first!.lastIndexOf('/'))}>`)
      const isRename = (line: string) => line.includes(`${first!}"`)
      const staged = /"([^"]*)"/.exec(lines.find(isRename)!)![1]!
      assert.match(without(isFolderSync).join(), /its folder is not synced/)
      assert.match(
        without((line) => /f(data)?sync\(/.test(line) && line.includes('/originals>')).join(),
        /its new folder lies in is not synced/,
      )
      assert.match(without((line) => /f(data)?sync\(/.test(line) && line.includes(`${staged}>`)).join(), /not synced/)
      assert.match(without(isRename).join(), /never renamed/)
      const answer = lines.findIndex((line) => line.includes('"HTTP/1.1 202'))
      // Whole, as the rest of a call that was interrupted stays where it is.
      const early = [lines[answer]!.replace(' <unfinished ...>', ') = 1'), ...lines.toSpliced(answer, 1)]
      assert.match(violations(early, uploads, commits).join(), /answered before the commit/)
      const log = topology === 'cluster' ? /f(data)?sync\(.*pg_wal/ : /f(data)?sync\(.*sqlite-wal/
      assert.match(without((line) => log.test(line)).join(), /no commit/)

      assertWell(t, 'order of durability', topology, await settle(subject, { sent }))
    })
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
