// `npm run bench:start`: from the command to a server that is healthy, everything being set up.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Command, Option } from 'commander'
import { cell, columns } from '../run/columns.ts'
import { someOf, wholeNumber } from '../run/options.ts'
import { shown } from '../run/progress.ts'
import { inScratch } from '../run/scratch.ts'
import { median, round } from '../measure/statistics.ts'

const MOST_MS = 1_000
const CLONE = join(import.meta.dirname, '../..')
const COMMANDS = {
  'npm start': ['npm', 'start', '--silent'],
  'bin/run': ['bin/run', 'src/cli.ts', 'serve'],
  node: [process.execPath, 'src/cli.ts', 'serve'],
}
type Name = keyof typeof COMMANDS
const NAMES = Object.keys(COMMANDS) as Name[]

const options = new Command('npm run bench:start --')
  .description(
    'Starts the server, everything being installed and the page built, by npm start, by what that runs, and by node alone, in turns: ' +
      'milliseconds from the command until /healthz answers, in a new DATA_DIR and in one that was there.',
  )
  .option('--rounds <number>', 'of which the median counts', wholeNumber(99), 9)
  .addOption(new Option('--commands <list>', 'which').argParser(someOf(NAMES)).default(NAMES, NAMES.join()))
  .option('--json', 'print the figures as one line of JSON')
  .parse()
  .opts<{ rounds: number; commands: Name[]; json?: true }>()

async function toHealthy(command: string[], dataDir: string): Promise<number> {
  const startedAt = performance.now()
  const [file = '', ...args] = command
  const child = spawn(file, args, {
    cwd: CLONE,
    // npm and its shell end with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' },
  })
  const ended = once(child, 'exit')
  const killAll = () => kill(child, 'SIGKILL')
  process.once('exit', killAll)
  try {
    const url = await Promise.race([
      new Promise<string>((resolve) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          const found = /^page (\S+?)\/?$/.exec(line)?.[1]
          if (found !== undefined) resolve(found)
        })
      }),
      ended.then(([code]): never => {
        throw new Error(`"${command.join(' ')}" ended with ${code} before it was ready. Run it by hand to see why.`)
      }),
    ])
    const answer = await fetch(`${url}/healthz`)
    if (!answer.ok) throw new Error(`/healthz answered ${answer.status}.`)
    return performance.now() - startedAt
  } finally {
    kill(child, 'SIGTERM')
    await ended
    killAll()
    process.off('exit', killAll)
  }
}

function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal)
  } catch {
    // All of it has ended.
  }
}

await inScratch(async (root) => {
  const old = await mkdtemp(join(root, 'data-'))
  const rows = []
  const runs = options.commands.map((name) => ({ name, fresh: [] as number[], again: [] as number[] }))
  // The first round warms the page cache and the compile cache, and fills the old DATA_DIR.
  for (let number = 0; number <= options.rounds; number++) {
    for (const { name, fresh, again } of runs) {
      const command = COMMANDS[name]
      await shown(`${name} ${number}/${options.rounds}`, 1, async () => {
        // Left until the end: what is deleted makes new files slow for minutes (scratch.ts).
        const dataDir = await mkdtemp(join(root, 'data-'))
        const times = [await toHealthy(command, dataDir), await toHealthy(command, old)] as const
        if (number === 0) return
        fresh.push(times[0])
        again.push(times[1])
      })
    }
  }
  for (const { name, fresh, again } of runs) {
    rows.push({
      command: name,
      freshMs: round(median(fresh), 0),
      slowestFreshMs: round(Math.max(...fresh), 0),
      againMs: round(median(again), 0),
      slowestAgainMs: round(Math.max(...again), 0),
    })
  }
  if (options.json) return console.log(JSON.stringify({ commands: rows }))
  const lines = rows.map((row) => [
    row.command,
    ...[row.freshMs, row.slowestFreshMs, row.againMs, row.slowestAgainMs].map((value) => cell(value)),
  ])
  console.log(columns([['ms to healthy', 'new DATA_DIR', 'slowest', 'old DATA_DIR', 'slowest'], ...lines]))
  console.log(`\n${MOST_MS} ms are wanted`)
})
