// What a program that has started the cluster tells it, a line of JSON each, to see how it takes the loss of a member.
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Cluster, MemberReport } from './topology.ts'

/** One of these. */
export type Command =
  | { start: string }
  | { stop: string }
  | { restart: string }
  /** `signal` is SIGKILL unless given. */
  | { kill: string; signal?: NodeJS.Signals }
  | { report: true }

/** Answered in the order of the commands, a line each. */
export type Answer = { ok: true; member?: MemberReport; members?: MemberReport[] } | { ok: false; error: string }

/**
 * Carries out commands one after the other. A program that has spoken and then hangs up has ended, however: `onEnd` is called then.
 * An input that never says anything, such as /dev/null, may end as it likes.
 */
export function obey(cluster: Cluster, input: Readable, answer: (answer: Answer) => void, onEnd: () => void): void {
  let spoken = false
  let turn: Promise<void> = Promise.resolve()
  createInterface({ input })
    .on('line', (line) => {
      if (line.trim() === '') return
      spoken = true
      turn = turn.then(async () => answer(await carryOut(cluster, line)))
    })
    .on('close', () => {
      if (spoken) void turn.then(onEnd)
    })
}

async function carryOut(cluster: Cluster, line: string): Promise<Answer> {
  try {
    const command = Object(JSON.parse(line)) as Command
    if ('report' in command) return { ok: true, members: cluster.report().members }
    if ('start' in command) return { ok: true, member: await cluster.start(command.start) }
    if ('stop' in command) return { ok: true, member: await cluster.stop(command.stop) }
    if ('kill' in command) return { ok: true, member: await cluster.kill(command.kill, command.signal ?? 'SIGKILL') }
    if ('restart' in command) {
      await cluster.stop(command.restart)
      return { ok: true, member: await cluster.start(command.restart) }
    }
    return { ok: false, error: `Not a command: ${line}. There are start, stop, restart, kill and report.` }
  } catch (error) {
    return { ok: false, error: (error as Error).message }
  }
}
