// Many watchers of the live feed in one process: each counts the images whose completion it hears, at as little CPU as can be.
import WebSocket from 'ws'
import type { ApiImage } from '../../src/api/images.ts'
import { inChild } from '../run/child.ts'
import { percentiles, type Percentiles } from './statistics.ts'

export interface WatchersInput {
  url: string
  watchers: number
  /** Of the images whose completion each is to hear; all in one batch, all finished at once. */
  ids: string[]
}

export interface WatchersFindings {
  /** Completions that a watcher did not hear, over all watchers. */
  missed: number
  /** By `Date.now()`: when the last watcher had heard all. */
  lastAt: number
  /** From `finished_at` of the images to when a watcher heard of each. */
  delayMs: Percentiles | null
}

/** What is not heard within this after the last message is missed. */
const SILENCE_MS = 10_000
const CONNECTING_AT_ONCE = 50
const COMPLETED = '"status":"completed"'
const ID = '"id":"'

inChild<WatchersInput, WatchersFindings>(async ({ url, watchers, ids }) => {
  const places = new Map(ids.map((id, index) => [id, index]))
  const heard = Array.from({ length: watchers }, () => new Uint8Array(ids.length))
  const left = Array.from({ length: watchers }, () => ids.length)
  /** How many messages came in each millisecond: a million of them need not be kept one by one. */
  const arrivals = new Map<number, number>()
  let waiting = watchers
  let lastAt = 0
  let failure: Error | undefined
  let finish = () => {}
  const done = new Promise<void>((resolve) => (finish = resolve))

  const hear = (watcher: number, data: Buffer) => {
    const text = data.toString('latin1')
    const now = Date.now()
    // Parsing JSON a million times would be most of the CPU of this machine.
    if (!text.includes(COMPLETED)) return
    const from = text.indexOf(ID) + ID.length
    const place = places.get(text.slice(from, from + 36))
    if (place === undefined || heard[watcher]![place] === 1) return
    heard[watcher]![place] = 1
    arrivals.set(now, (arrivals.get(now) ?? 0) + 1)
    lastAt = now
    if (--left[watcher]! === 0 && --waiting === 0) finish()
  }
  const connect = async (watcher: number) => {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws/upload/`, { perMessageDeflate: false, skipUTF8Validation: true })
    await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject))
    socket.on('message', (data: Buffer) => hear(watcher, data))
    socket.on('error', (error) => (failure = error))
    socket.on('close', () => {
      failure ??= new Error('The server closed the WebSocket of a watcher.')
      finish()
    })
  }
  for (let from = 0; from < watchers; from += CONNECTING_AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(CONNECTING_AT_ONCE, watchers - from) }, (_, index) => connect(from + index)))

  return {
    async measure() {
      const silence = setInterval(() => {
        if (lastAt > 0 && Date.now() - lastAt > SILENCE_MS) finish()
      }, 1_000)
      await done
      clearInterval(silence)
      if (failure) throw failure
    },
    async tell() {
      const image = (await (await fetch(`${url}/api/images/${ids[0]}`)).json()) as ApiImage
      const finishedAt = Date.parse(image.finished_at ?? '')
      const times = [...arrivals].flatMap(([at, messages]) => Array.from<number>({ length: messages }).fill(Math.max(0, at - finishedAt)))
      return { missed: left.reduce((sum, count) => sum + count, 0), lastAt, delayMs: percentiles(times) }
    },
  }
})
