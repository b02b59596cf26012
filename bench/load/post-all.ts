// Runs the load script of `post-all.py` with Debian's aiohttp.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'

const SCRIPT = join(import.meta.dirname, 'post-all.py')
const INSTALL = 'apt-get install -y --no-install-recommends python3-aiohttp'
/** Above what aiohttp gives a request (300 s): only a hang ends by it. */
const TIMEOUT_MS = 400_000

export interface LoadOutcome {
  requests: number
  /** Requests that ended with 200, at once or when tried again. */
  succeeded: number
  /** Of every status, tries included, how many answers. */
  answers: Record<string, number>
  /** Requests without an answer: the connection was refused, reset or closed. */
  resets: number
  /** Answers 429 and 503 that don't say when to try again. */
  withoutRetryAfter: number
  /** Different ids among the images answered. */
  images: number
  /** The first few reasons of what did not succeed. */
  failures: string[]
  seconds: number
  /** Of a request, from when it was begun, beside all the others, to its last answer. */
  medianSeconds: number
  p95Seconds: number
  slowestSeconds: number
}

/** The Python that has aiohttp: Debian's own first, whichever is first on the PATH. Throws with what to install. */
function findPython(): string {
  const found = ['/usr/bin/python3', 'python3'].find((python) => spawnSync(python, ['-c', 'import aiohttp']).status === 0)
  if (found === undefined)
    throw new Error(`The load script needs aiohttp for Python, from Debian's packages. Install with: sudo ${INSTALL}`)
  return found
}

/** Posts `requests` times to `/api/upload`, all at once, the files in turn. Rejects if the script itself fails. */
export async function postAll(url: string, files: string[], requests: number): Promise<LoadOutcome> {
  const child = spawn(findPython(), [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'], timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
  const atExit = () => child.kill('SIGKILL')
  process.once('exit', atExit)
  try {
    const ended = once(child, 'exit')
    child.stdin.end(JSON.stringify({ url, files, requests }))
    const said = await text(child.stdout)
    const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null]
    if (code !== 0) throw new Error(`The load script ended with ${signal ?? code}.`)
    return JSON.parse(said) as LoadOutcome
  } finally {
    process.off('exit', atExit)
  }
}

/** What is wrong with an outcome; empty where every request succeeded as promised. */
export function broken({ requests, succeeded, answers, resets, withoutRetryAfter, images, failures }: LoadOutcome): string[] {
  const others = Object.keys(answers).filter((status) => !['200', '429', '503'].includes(status))
  return [
    ...(succeeded === requests ? [] : [`${requests - succeeded} of ${requests} requests did not succeed: ${failures.join('; ')}`]),
    ...(others.length === 0 ? [] : [`answers with ${others.join(', ')}`]),
    ...(resets === 0 ? [] : [`${resets} connections ended without an answer`]),
    ...(withoutRetryAfter === 0 ? [] : [`${withoutRetryAfter} answers 429 or 503 without Retry-After`]),
    ...(images === succeeded ? [] : [`${succeeded} answers have ${images} ids`]),
  ]
}
