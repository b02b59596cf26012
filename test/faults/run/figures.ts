// The account at the end of a fault: what was acknowledged against rows, bytes and what else is left; a line of it for the table.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { FindingCode } from '../../../src/flow/doctor/findings.ts'
import { allFinal, eventually } from '../../support/clients/client.ts'
import { doctor } from '../../support/servers/command.ts'
import { audit, filesIn, query } from '../../support/servers/data-dir.ts'
import { MARK } from '../../support/figures-mark.ts'
import { descriptorsOf, type Subject } from './subject.ts'

export interface Figures {
  sent: number
  acknowledged: number
  completed: number
  /** With a reason. */
  failed: number
  lost: number
  duplicated: number
  rowsWithoutBytes: number
  bytesWithoutRows: number
  stuck: number
  temporary: number
  descriptorsBefore: number | null
  descriptorsAfter: number | null
}

/** What the doctor finds of rows and bytes; the state of this machine is not for these tests. */
const OF_DATA: FindingCode[] = [
  'original_missing',
  'original_damaged',
  'original_back',
  'rendition_missing',
  'orphan',
  'temporary_file',
  'lease_gone',
  'arriving_for_ever',
  'rows_disagree',
  'counts_differ',
  'never_expired',
  'removal_unfinished',
  'not_looked_at',
]
/** Not the lock of the folder it is in. */
const STAGED = /\/[0-9a-f-]{36}$/
const SETTLED_MS = 60_000
const CLOSED_MS = 20_000
/** Of a pool to a database: how many are open is a matter of the moment. */
const POOL = 10

/**
 * Waits until everything is final and swept, compares, ends the subject, and compares again with what it left. `sent` are the files
 * that have to be there, each once; deleted ones are named.
 */
export async function settle(
  subject: Subject,
  { sent, descriptorsBefore = null, deleted = [] }: { sent: number; descriptorsBefore?: number | null; deleted?: string[] },
): Promise<Figures> {
  await allFinal(subject, SETTLED_MS)
  await eventually(
    'what nobody uses is swept, and no upload is open',
    async () =>
      (await query(subject, 'select sha256 from originals where released_at is not null')).length === 0 &&
      (await query(subject, 'select id from batches where received_at is null and declared is null')).length === 0,
    SETTLED_MS,
  )
  // Only now: what was recorded of an upload that came to nothing is there until it is given up.
  const images = await allFinal(subject, SETTLED_MS)
  const descriptors = () => descriptorsOf(subject.server.pid, new URL(subject.url).port)
  if (descriptorsBefore !== null) {
    const most = descriptorsBefore + (subject.topology === 'cluster' ? POOL : 0)
    await eventually('descriptors are closed', async () => descriptors() <= most, CLOSED_MS).catch(() => undefined)
  }
  const descriptorsAfter = descriptorsBefore === null ? null : descriptors()

  const temporaryThen = (await filesIn(subject.dataDir, 'tmp')).filter((path) => STAGED.test(path))
  for (const code of await subject.stop()) assert.equal(code, 0, subject.server.output())
  // In a shared folder what a killed process was writing stays for a day, as nobody else can tell that it is dead.
  const ofTheDead = await filesIn(subject.dataDir, 'tmp')
  const { findings } = await doctor(subject.env, '--grace', '0')
  const ofKind = (...codes: FindingCode[]) => findings.filter(({ code }) => codes.includes(code)).length
  // In a bucket there are no files to look at: the doctor has.
  const found = subject.env.S3_ENDPOINT
    ? {
        rowsWithoutBytes: ofKind('original_missing', 'original_damaged', 'rendition_missing'),
        bytesWithoutRows: ofKind('orphan'),
      }
    : await audit(subject).then((seen) => ({
        rowsWithoutBytes: seen.rowsWithoutBytes.length,
        bytesWithoutRows: seen.bytesWithoutRows.length,
      }))
  const byId = new Map(images.map((image) => [image.id, image]))
  const names = Map.groupBy(images, ({ name }) => name)
  const { acknowledged } = subject.ledger
  const figures: Figures = {
    sent,
    acknowledged: acknowledged.size,
    completed: images.filter(({ status }) => status === 'completed').length,
    failed: images.filter(({ status, error, code }) => status === 'error' && error && code).length,
    lost: [...acknowledged].filter(([id, name]) => byId.get(id)?.name !== name && !deleted.includes(id)).length,
    duplicated: [...names.values()].filter(({ length }) => length > 1).length,
    ...found,
    stuck: (await query(subject, "select id from images where status in ('pending', 'processing')")).length,
    temporary: subject.topology === 'cluster' ? temporaryThen.filter((path) => !ofTheDead.includes(path)).length : ofTheDead.length,
    descriptorsBefore,
    descriptorsAfter,
  }
  assert.deepEqual(
    findings.filter(({ code }) => OF_DATA.includes(code) && !(code === 'temporary_file' && ofTheDead.length > 0)),
    [],
  )
  return figures
}

/** Says the line of the table, and that it is as it has to be. */
export function assertWell(t: TestContext, fault: string, topology: string, figures: Figures, deleted = 0): void {
  tellFigures(t, fault, topology, figures)
  const { sent, acknowledged, completed, failed, descriptorsBefore, descriptorsAfter } = figures
  const { lost, duplicated, rowsWithoutBytes, bytesWithoutRows, stuck, temporary } = figures
  assert.deepEqual(
    { lost, duplicated, rowsWithoutBytes, bytesWithoutRows, stuck, temporary },
    { lost: 0, duplicated: 0, rowsWithoutBytes: 0, bytesWithoutRows: 0, stuck: 0, temporary: 0 },
  )
  assert.equal(acknowledged, sent, 'acknowledged = sent')
  assert.equal(completed + failed + deleted, acknowledged, 'acknowledged = completed + failed with a reason')
  if (descriptorsBefore !== null && descriptorsAfter !== null)
    assert.ok(descriptorsAfter <= descriptorsBefore + (topology === 'cluster' ? POOL : 0), `${descriptorsAfter} descriptors are open`)
}

export function tellFigures(t: TestContext, fault: string, topology: string, figures: Partial<Figures> & { note?: string }): void {
  t.diagnostic(MARK + JSON.stringify({ fault, topology, ...figures }))
}
