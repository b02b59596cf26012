// A scrape as Prometheus makes it: figures by name and labels.
export interface Scrape {
  /** Of every metric that is described, with or without figures; a histogram's series by their own names, too. */
  names: Set<string>
  /** The sum of all series of this name that have these labels; null if there is none. */
  value(name: string, labels?: Record<string, string>): number | null
  /** Every series of this name, as its labels are written. */
  series(name: string): string[]
}

/** Where a server or worker says that its metrics are. */
export const metricsUrl = (output: string) => /^metrics (\S+)$/m.exec(output)?.[1] ?? ''

export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(url)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text}`)
  return parse(text)
}

function parse(text: string): Scrape {
  const names = new Set<string>()
  const samples: { name: string; labels: string; value: number }[] = []
  for (const line of text.split('\n')) {
    const [, described, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (described) for (const end of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) names.add(described + end)
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/.exec(line) ?? []
    if (name) samples.push({ name, labels, value: Number(value) })
  }
  return {
    names,
    value(name, labels = {}) {
      const fits = samples.filter(
        (sample) => sample.name === name && Object.entries(labels).every(([label, is]) => sample.labels.includes(`${label}="${is}"`)),
      )
      return fits.length === 0 ? null : fits.reduce((sum, sample) => sum + sample.value, 0)
    },
    series: (name) => samples.filter((sample) => sample.name === name).map(({ labels }) => labels),
  }
}
