// What `strace` saw of an upload, and whether bytes, names, rows and the answer came in the order that durability asks for.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'

const CALLS = 'write,writev,pwrite64,pwritev,sendto,sendmsg,read,recvfrom,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat'
const ATTACHED_MS = 20_000

export interface Trace {
  /** Detaches, and gives the lines. */
  end(): Promise<string[]>
}

/** Watches processes with all their threads. Throws, with the line to run, where there is no strace or it may not. */
export async function startTrace(pids: number[], file: string): Promise<Trace> {
  const args = [
    '-f',
    '-yy',
    '-s',
    '48',
    '-e',
    `trace=${CALLS}`,
    '-e',
    'signal=none',
    '-o',
    file,
    ...pids.flatMap((pid) => ['-p', String(pid)]),
  ]
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tracer.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(tracer, 'exit').catch((cause: unknown) => {
    throw new Error('There is no strace. Install it: sudo apt-get install -y strace', { cause })
  })
  await new Promise<void>((resolve, reject) => {
    const fail = () =>
      reject(new Error(`strace can't watch: ${said.trim()}. Run the tests as root, or: sudo sysctl kernel.yama.ptrace_scope=0`))
    const late = setTimeout(fail, ATTACHED_MS)
    tracer.stderr.on('data', () => {
      if (pids.every((pid) => new RegExp(`Process ${pid} attached`).test(said))) {
        clearTimeout(late)
        resolve()
      }
    })
    ended.then(fail, reject)
  })
  return {
    async end() {
      tracer.kill('SIGINT')
      await ended
      return readFileSync(file, 'utf8').split('\n')
    },
  }
}

/** A call, with the lines at which it began and ended. */
interface Call {
  name: string
  text: string
  begun: number
  ended: number
}

function callsOf(lines: string[]): Call[] {
  const calls: Call[] = []
  const unfinished = new Map<string, Call>()
  for (const [at, line] of lines.entries()) {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest)
    const begun = resumed ? unfinished.get(pid) : undefined
    if (resumed && begun) {
      begun.text += resumed[2]
      begun.ended = at
      unfinished.delete(pid)
      calls.push(begun)
      continue
    }
    const name = /^(\w+)\(/.exec(rest)?.[1]
    if (name === undefined) continue
    const call = { name, text: rest, begun: at, ended: at }
    if (rest.includes('<unfinished ...>')) unfinished.set(pid, call)
    else calls.push(call)
  }
  return calls
}

const isWrite = ({ name }: Call) => /^p?write/.test(name)
const isSync = ({ name }: Call) => name === 'fsync' || name === 'fdatasync'
/** Of the first argument, a descriptor. */
const pathOf = ({ text }: Call) => /^\w+\(\d+<([^>]*)>/.exec(text)?.[1]
const succeeded = ({ text }: Call) => / = 0$/.test(text)

/** Where the rows become durable: a commit's begin and end, in lines. */
type Commits = (calls: Call[]) => { begun: number; ended: number }[]

/** SQLite: a sync of the write-ahead log, which counts from the last write before it. */
export const sqliteCommits: Commits = (calls) => {
  const ofLog = calls.filter((call) => pathOf(call)?.endsWith('.sqlite-wal'))
  return ofLog.flatMap((call, at) => {
    const before = ofLog.slice(0, at).findLast((other) => other.ended < call.begun)
    return isSync(call) && succeeded(call) && before && isWrite(before) ? [{ begun: before.begun, ended: call.ended }] : []
  })
}

/** PostgreSQL: the client says COMMIT, a process syncs its log, the client hears that it is done. */
export const postgresCommits: Commits = (calls) => {
  const said = calls.filter((call) => isWrite(call) && /"Q\\0\\0\\0\\vcommit\\0"/i.test(call.text))
  return said.flatMap((begin) => {
    const heard = calls.find(
      (call) =>
        call.name === 'read' && call.begun > begin.begun && /"C\\0\\0\\0\\vCOMMIT\\0/.test(call.text) && socketOf(call) === socketOf(begin),
    )
    const synced = calls.find(
      (call) => isSync(call) && succeeded(call) && /\/pg_wal\//.test(pathOf(call) ?? '') && call.begun > begin.begun,
    )
    return heard && synced && synced.ended < heard.ended ? [{ begun: begin.begun, ended: heard.ended }] : []
  })
}
const socketOf = (call: Call) => /TCP:\[([^\]]*)\]/.exec(call.text)?.[1]

/**
 * What was out of order; `uploads` are the keys of the originals of each upload, in the order in which the uploads were sent, one after
 * the other, each answered with 202.
 */
export function violations(lines: string[], uploads: string[][], commits: Commits): string[] {
  const calls = callsOf(lines)
  const answers = calls.filter((call) => /"HTTP\/1\.1 202/.test(call.text) && !/^(read|recv)/.test(call.name))
  if (answers.length !== uploads.length) return [`${answers.length} answers to ${uploads.length} uploads`]
  const made = commits(calls)
  return uploads.flatMap((keys, upload) => {
    const answeredAt = answers[upload]!.begun
    return keys.flatMap((key) => judge(calls, key, answeredAt, made).map((what) => `${key}: ${what}`))
  })
}

function judge(calls: Call[], key: string, answeredAt: number, commits: { begun: number; ended: number }[]): string[] {
  const renamed = calls.find((call) => call.name.startsWith('rename') && succeeded(call) && call.text.includes(`${key}"`))
  if (!renamed) return ['never renamed']
  const [staged = '', target = ''] = [...renamed.text.matchAll(/"([^"]*)"/g)].map(([, path]) => path!)
  const writes = calls.filter((call) => isWrite(call) && pathOf(call) === staged)
  const synced = calls.find((call) => isSync(call) && succeeded(call) && pathOf(call) === staged)
  const syncOf = (folder: string, after: Call) =>
    calls.find((call) => isSync(call) && succeeded(call) && pathOf(call) === folder && call.begun > after.ended)
  const folder = syncOf(dirname(target), renamed)
  const made = calls.find((call) => call.name.startsWith('mkdir') && succeeded(call) && call.text.includes(`"${dirname(target)}"`))
  const parent = made && syncOf(dirname(dirname(target)), made)
  const found: string[] = []
  if (writes.length === 0) found.push('never written')
  if (!synced) found.push('not synced')
  else {
    if (writes.some((call) => call.ended > synced.begun)) found.push('written after its sync')
    if (synced.ended > renamed.begun) found.push('renamed before its sync')
  }
  if (!folder) return [...found, 'its folder is not synced after the rename']
  if (made && !parent) return [...found, 'the folder its new folder lies in is not synced']
  const durableAt = Math.max(folder.ended, parent?.ended ?? 0)
  const commit = commits.find(({ begun }) => begun > durableAt)
  if (!commit) found.push('no commit after the sync of its folder')
  else if (commit.ended > answeredAt) found.push('answered before the commit')
  if (durableAt > answeredAt) found.push('answered before the sync of its folder')
  return found
}
