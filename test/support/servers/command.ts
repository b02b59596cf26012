// Runs a command of Calotype as a user does, beside whatever runs.
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Finding } from '../../../src/flow/doctor/findings.ts'

const CLI = join(import.meta.dirname, '../../../src/cli.ts')
const TIMEOUT_MS = 120_000

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** Resolves with its exit code, whatever it is. */
export function calotype(args: string[], env: Record<string, string>): Promise<Ran> {
  const { promise, resolve, reject } = Promise.withResolvers<Ran>()
  // Not the clone: a developer's .env there is not for tests.
  const options = { env: { ...process.env, LOG_LEVEL: 'error', ...env }, cwd: tmpdir(), timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
  execFile(process.execPath, ['--disable-warning=ExperimentalWarning', CLI, ...args], options, (error, stdout, stderr) => {
    const code = error ? error.code : 0
    if (typeof code === 'number') resolve({ code, stdout, stderr })
    else reject(new Error(`calotype ${args.join(' ')} was killed: ${stdout}${stderr}`, { cause: error }))
  })
  return promise
}

export interface Diagnosis {
  code: number
  findings: (Finding & { remedy: string })[]
  summary: { originals: number; hashed: number; knownLost: number; young: number; accepted: number; findings: number; unmended: number }
}

/** `calotype doctor --json`, read. The state of this machine's disk is not for tests. */
export async function doctor(env: Record<string, string>, ...args: string[]): Promise<Diagnosis> {
  const { code, stdout, stderr } = await calotype(['doctor', '--json', ...args], env)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line || '{}'))
  const last = lines.pop()
  if (!last?.summary) throw new Error(`The doctor ended with ${code}: ${stdout}${stderr}`)
  return { code, findings: lines, summary: last.summary }
}
