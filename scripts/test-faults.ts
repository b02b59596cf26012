// `npm run test:faults [-- --rounds N] [FILE…]`: every fault, or some, one after the other, and a table of what it left. With rounds, the long form.
import { globSync } from 'node:fs'
import { runLongTests, type Column } from './long-tests.ts'

/** The faults that have files of their own elsewhere: killed servers, lost engines, frozen workers, a bad S3. */
const OTHERS = [
  'test/journeys/recovery/kill.test.ts',
  'test/cluster/faults.test.ts',
  'test/cluster/orphans.test.ts',
  'test/cluster/redis-away.test.ts',
  'test/cluster/zombie.test.ts',
  'test/store/s3-faults.test.ts',
]
const COLUMNS: Column[] = [
  ['fault', ({ fault }) => fault],
  ['topology', ({ topology }) => topology],
  ['sent', ({ sent }) => sent],
  ['acknowledged', ({ acknowledged }) => acknowledged],
  ['completed', ({ completed }) => completed],
  ['failed', ({ failed }) => failed],
  ['lost', ({ lost }) => lost],
  ['duplicated', ({ duplicated }) => duplicated],
  ['rows - bytes', ({ rowsWithoutBytes }) => rowsWithoutBytes],
  ['bytes - rows', ({ bytesWithoutRows }) => bytesWithoutRows],
  ['stuck', ({ stuck }) => stuck],
  ['temporary', ({ temporary }) => temporary],
  ['descriptors', ({ descriptorsBefore: before, descriptorsAfter: after }) => (before === null ? null : `${before} -> ${after}`)],
]

await runLongTests({ files: [...globSync('test/faults/*.test.ts').sort(), ...OTHERS], columns: COLUMNS, counted: 'sent' })
