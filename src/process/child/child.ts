// A child of the process step: the only place where untrusted bytes are decoded, so that what goes wrong goes wrong here.
import { flushCompileCache } from 'node:module'
import { CalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import { lacksThreads, prepareDecoder, warmUp } from './decoder.ts'
import type { ImageTask } from '../image-processor.ts'
import { giveWay } from '../pool/give-way.ts'
import type { MemoryEstimate } from '../checks/memory-estimate.ts'
import type { FromChild, ToChild } from '../messages.ts'
import { makeRenditions } from './make-renditions.ts'

const [maxPixels, shareBytes, roomBytes] = process.argv.slice(2).map(Number) as [number, number, number]
const waiting: { id: number; task: ImageTask }[] = []
const granted = new Map<number, () => void>()
let working = false

const send = (message: FromChild) => void process.send?.(message)

// A terminal's Ctrl-C reaches the whole group, but the server decides when its children end; without it there is nobody to work for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

process.on('message', (message: ToChild) => {
  if (message.say === 'develop') {
    waiting.push(message)
    void work()
  } else if (message.say === 'granted') {
    granted.get(message.id)?.()
    granted.delete(message.id)
  } else {
    const index = waiting.findIndex(({ id }) => id === message.id)
    if (index < 0) return
    waiting.splice(index, 1)
    send({ say: 'returned', id: message.id })
  }
})

async function work(): Promise<void> {
  if (working) return
  working = true
  for (let next = waiting.shift(); next; next = waiting.shift()) await develop(next.id, next.task)
  working = false
}

/** Resolves when the pixels are done with; the files may still be on their way to the disk. */
function develop(id: number, task: ImageTask): Promise<void> {
  failpoint('child-begun', task.sha256)
  return new Promise((next) => {
    const admit = async ({ most, least }: MemoryEstimate) => {
      failpoint('child-admitted', task.sha256)
      if (least > roomBytes) throw notEnoughMemory(least)
      if (most <= shareBytes) return
      const grant = new Promise<void>((resolve) => granted.set(id, resolve))
      send({ say: 'waiting', id, bytes: most - shareBytes })
      await grant
    }
    const encoded = () => {
      failpoint('child-encoded', task.sha256)
      send({ say: 'encoded', id })
      next()
    }
    makeRenditions(task, maxPixels, { admit, encoded })
      .then(
        (made) => {
          failpoint('child-done', task.sha256)
          send({ say: 'done', id, result: { outcome: 'developed', ...made } })
        },
        (error: CalotypeError) => {
          if (lacksThreads(error)) return send({ say: 'unable', reason: String(error.cause) })
          const failure = { code: error.code, error: error.message }
          send({
            say: 'done',
            id,
            result: { outcome: 'failed', failure },
            ...(error.cause !== undefined && { cause: String(error.cause) }),
          })
        },
      )
      .finally(next)
  })
}

const inMb = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`

const notEnoughMemory = (bytes: number) =>
  new CalotypeError(
    'not_enough_memory',
    `Developing this image takes ${inMb(bytes)} of memory or more, and this server has ${inMb(roomBytes)} for it. Make it smaller, or give the server more.`,
  )

// Who waits for memory is not in need of a core.
giveWay(() => working && granted.size === 0)
prepareDecoder()
await warmUp()
send({ say: 'ready' })
// For the next child: this one never ends in order.
flushCompileCache()
