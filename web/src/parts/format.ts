// Figures for people: sizes, times, counts.

const COUNT = new Intl.NumberFormat('en')
const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
const sizeFormats = UNITS.map((unit, power) => {
  const options: Intl.NumberFormatOptions = {
    style: 'unit',
    unit,
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: power < 2 ? 0 : 1,
  }
  return new Intl.NumberFormat('en', options)
})

/** `1,234`. */
export const formatCount = (count: number) => COUNT.format(count)

/** `1 photo`, `1,234 photos`. */
export const plural = (count: number, one: string, many = `${one}s`) => `${formatCount(count)} ${count === 1 ? one : many}`

/** `512 bytes`, `20 kB`, `1.5 MB`; powers of 1,000. */
export function formatSize(bytes: number): string {
  const power = bytes < 1_000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  return sizeFormats[power]!.format(bytes / 1_000 ** power)
}

/** `about 20 s`, `about 3 min`, `about 2 h`. */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 5) return 'a few seconds'
  if (seconds < 55) return `about ${Math.ceil(seconds / 5) * 5} s`
  if (seconds < 3_300) return `about ${Math.ceil(seconds / 60)} min`
  return `about ${(seconds / 3_600).toFixed(seconds < 36_000 ? 1 : 0)} h`
}

const TIME = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })
/** `Nov 25, 2026, 9:49 PM`, here. */
export const formatTime = (iso: string) => TIME.format(new Date(iso))

const DAY = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' })
const OLD_DAY = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })
/** Where there is little room: `Nov 25, 9:49 PM`; of another year, the day alone. */
export function formatShortTime(iso: string): string {
  const at = new Date(iso)
  return (at.getFullYear() === new Date().getFullYear() ? DAY : OLD_DAY).format(at)
}

const EXACT = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
/** To the second. */
export const formatExactTime = (iso: string) => EXACT.format(new Date(iso))

/** `40 ms`, `1.2 s`, `3 min`, `5 h`, `2 days`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} days`
}
