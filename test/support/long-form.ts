// The long form of tests that take minutes, or rights of their own: `npm run test:faults` and `npm run test:attacks` with `--rounds N`.
import { test, type TestContext } from 'node:test'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string' } }, strict: false })
/** Null in the short form, which `npm test` runs. */
export const ROUNDS = values.rounds === undefined ? null : Number(values.rounds)

/** A test that exists in the long form only. */
export function longTest(name: string, body: (t: TestContext) => Promise<void>): void {
  if (ROUNDS !== null) test(name, { timeout: 60 * 60_000 }, body)
}
