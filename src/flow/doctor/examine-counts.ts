// Compares the counts that are kept with the rows that they are of.
import type { KeptCounts } from '../../record/admin/kept-counts.ts'
import { mend, type Report } from './findings.ts'

interface Deps {
  counts: Pick<KeptCounts, 'differences' | 'recount'>
  report: Report
}

/** One finding for all of them: what changes rows wrongly hardly does it once. Rejects when the rows can not be read. */
export async function examineCounts({ counts, report }: Deps, { repair }: { repair: boolean }): Promise<void> {
  const differences = await counts.differences()
  const [first] = differences
  if (!first) return
  const { of, kept, counted } = first
  const what = `Counts that are kept are not what the rows say, in ${differences.length} places, such as ${of}: ${kept} are kept, and there are ${counted}.`
  await mend({ report, repair }, { code: 'counts_differ', what }, () => counts.recount())
}
