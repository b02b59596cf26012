// `npm run cluster`: Calotype on PostgreSQL, PgBouncer, Redis and nginx, for real, on this machine alone.
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { StartError } from '../src/errors.ts'
import { obey } from './cluster/control.ts'
import { prepareCluster, type ClusterOptions } from './cluster/topology.ts'

const HELP = `npm run cluster -- [OPTIONS]: API servers and workers on PostgreSQL, PgBouncer, Redis and nginx, on this machine, without Docker.

  --port P     port of nginx, the one address of the cluster; a free one if not given
  --folder F   keep everything in this folder; without it, in a temporary one that goes at the end
  --api N      API servers (2); 0 starts the engines alone
  --workers N  workers (2)
  --s3         keep images in an S3 server instead of the shared folder
  --json       say that it is ready in one line of JSON; then take commands on stdin, a line of JSON each:
               {"start":"redis"} {"stop":"api-1"} {"restart":"postgres"} {"kill":"worker-1","signal":"SIGKILL"} {"report":true}

Settings of Calotype come from the environment, as for npm start. Ctrl-C or SIGTERM ends everything; twice, at once.`

// npm passes on the signals that its whole process group gets: one Ctrl-C in a terminal arrives twice, milliseconds apart.
const SAME_SIGNAL_MS = 250

const say = (line: string) => console.error(line)

function readOptions(): ClusterOptions & { json: boolean } {
  const number = (name: string, text: string, most: number) => {
    if (/^\d+$/.test(text) && Number(text) <= most) return Number(text)
    throw new StartError(`--${name} is "${text}"; it must be a whole number up to ${most}.`)
  }
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '0' },
        folder: { type: 'string' },
        api: { type: 'string', default: '2' },
        workers: { type: 'string', default: '2' },
        s3: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(HELP)
      process.exit(0)
    }
    const { folder, s3, json } = values
    return {
      folder,
      s3,
      json,
      port: number('port', values.port, 65_535),
      api: number('api', values.api, 64),
      workers: number('workers', values.workers, 64),
    }
  } catch (error) {
    if (error instanceof StartError) throw error
    throw new StartError(`${(error as Error).message}\n\n${HELP}`)
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  const { cluster, begin } = await prepareCluster(options, say)

  // Who listened may be gone before the cluster is.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  let firstAt: number | undefined
  let code = 0
  const stop = async () => {
    await cluster.close().catch((error: unknown) => {
      say(String(error))
      code = 1
    })
    process.exit(code)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now()
      if (firstAt === undefined) {
        firstAt = now
        say('stopping')
        void stop()
      } else if (now - firstAt > SAME_SIGNAL_MS) {
        void cluster.closeNow().then(() => process.exit(128 + constants.signals[signal]))
      }
    })
  }

  try {
    const report = await begin()
    if (options.json) {
      const answer = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
      answer(report)
      obey(cluster, process.stdin, answer, () => void stop())
    } else {
      const kept = options.folder === undefined ? ' (goes when this ends)' : ''
      const address = report.url === null ? [] : [`page ${report.url}/`, `api ${report.url}/api`]
      if (report.setupUrl !== null) address.push(`set-up ${report.setupUrl}`)
      const members = report.members.map(({ name, pid }) => `${name} ${pid}`).join(', ')
      const engines = [`database ${report.databaseUrl}`, `redis ${report.redisUrl}`]
      console.log(['The cluster is ready', ...address, ...engines, `processes ${members}`, `folder ${report.folder}${kept}`].join('\n'))
    }
  } catch (error) {
    // Stopped while it started: whoever stopped it ends it.
    if (firstAt !== undefined) return
    code = 1
    say(error instanceof StartError ? error.message : String((error as Error).stack))
    await stop()
  }
}

try {
  await main()
} catch (error) {
  say(error instanceof StartError ? error.message : String((error as Error).stack))
  process.exit(1)
}
