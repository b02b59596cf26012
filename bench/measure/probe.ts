// Asks a server for a page at fixed times, whether or not the last answer is there, and says how long each took: in a process of its own.
import { Agent, get } from 'node:http'
import { inChild } from '../run/child.ts'
import { percentiles, type Percentiles } from './statistics.ts'

export interface ProbeInput {
  url: string
  /** Asked in turns. */
  paths: string[]
  /** Milliseconds between two questions. */
  everyMs: number
  /** Milliseconds of asking. */
  durationMs: number
}

export interface ProbeFindings {
  paths: { path: string; answers: number; times: Percentiles | null; slowestMs: number }[]
}

inChild<ProbeInput, ProbeFindings>(async ({ url, paths, everyMs, durationMs }) => {
  const agent = new Agent({ keepAlive: true })
  const times = new Map(paths.map((path) => [path, [] as number[]]))
  const ask = (path: string) =>
    new Promise<void>((resolve, reject) => {
      const asking = get(url + path, { agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`${path} was answered with ${response.statusCode}.`))
        response.resume().once('end', resolve).once('error', reject)
      })
      asking.once('error', reject)
    })
  for (const path of paths) await ask(path)
  return {
    async measure() {
      const startedAt = performance.now()
      const asked: Promise<void>[] = []
      for (let number = 0; number * everyMs < durationMs; number++) {
        // From when it was due: a question that came late because this process had to wait counts its wait as well.
        const due = startedAt + number * everyMs
        const path = paths[number % paths.length]!
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
        const own = times.get(path)!
        asked.push(ask(path).then(() => void own.push(performance.now() - due)))
      }
      await Promise.all(asked)
      agent.destroy()
    },
    tell: () => ({
      paths: [...times].map(([path, own]) => ({
        path,
        answers: own.length,
        times: percentiles(own),
        slowestMs: own.reduce((most, ms) => Math.max(most, ms), 0),
      })),
    }),
  }
})
