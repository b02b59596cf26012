// The states of files as the tabs of the list have them.
import type { Entry, EntryState } from '../entry.ts'

interface Group {
  name: GroupName
  label: string
  /** Null for all. */
  states: readonly EntryState[] | null
}
export type GroupName = 'all' | 'active' | 'done' | 'failed' | 'missing' | 'skipped' | 'cancelled'

export const GROUPS: readonly Group[] = [
  { name: 'all', label: 'All', states: null },
  { name: 'active', label: 'In progress', states: ['reading', 'waiting', 'sending', 'sent', 'developing'] },
  { name: 'done', label: 'Developed', states: ['done'] },
  { name: 'failed', label: 'Failed', states: ['failed', 'refused'] },
  { name: 'missing', label: 'Missing', states: ['missing'] },
  { name: 'skipped', label: 'Here twice', states: ['skipped'] },
  { name: 'cancelled', label: 'Cancelled', states: ['cancelled'] },
]

export function inGroup(entries: readonly Entry[], name: GroupName): readonly Entry[] {
  const states = GROUPS.find((group) => group.name === name)?.states ?? null
  return states === null ? entries : entries.filter(({ state }) => states.includes(state))
}
