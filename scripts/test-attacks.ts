// `npm run test:attacks [-- --rounds N] [FILE…]`: the long form of every attack, or of some, and a table of what each cost everybody else.
import { globSync } from 'node:fs'
import { runLongTests, type Column } from './long-tests.ts'

const COLUMNS: Column[] = [
  ['attack', ({ attack }) => attack],
  ['topology', ({ topology }) => topology],
  ['seconds', ({ seconds }) => seconds],
  ['RSS before MB', ({ rssBeforeMb }) => rssBeforeMb],
  ['peak', ({ rssPeakMb }) => rssPeakMb],
  ['after', ({ rssAfterMb }) => rssAfterMb],
  ['descriptors', ({ descriptorsBefore: before, descriptorsPeak: peak, descriptorsAfter: after }) => `${before} / ${peak} / ${after}`],
  ['/healthz p50 ms', ({ healthzP50Ms }) => healthzP50Ms],
  ['p99', ({ healthzP99Ms }) => healthzP99Ms],
  ['unanswered', ({ healthzUnanswered }) => healthzUnanswered],
]

await runLongTests({ files: globSync('test/attacks/*.test.ts').sort(), columns: COLUMNS, counted: 'rssPeakMb', alwaysLong: true })
