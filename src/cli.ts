// The command line: the sole owner of argv, signals and exit codes.
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { deleteImages } from './cli/delete-images.ts'
import { serve, work } from './cli/serve.ts'
import { readConfig, settingsHelp, type Config } from './config.ts'
import { CalotypeError, StartError } from './errors.ts'
import { createLog } from './log.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('calotype')
  .description('Takes images in over HTTP, keeps the originals, develops them, and tells everyone who is watching.')
  .version(version)
  .addHelpText('afterAll', `\n${settingsHelp()}`)

program
  .command('serve')
  .description('run the server until SIGTERM or Ctrl-C; a second one stops it at once')
  .action(async () => serve(settings()))

program
  .command('worker')
  .description('develop images for the servers of a cluster, until SIGTERM or Ctrl-C')
  .action(async () => work(settings()))

program
  .command('migrate')
  .description('bring the database up to date and end (serve does it, too)')
  .action(async () => {
    const config = settings()
    const { migrate } = await import('./app.ts')
    const ran = await migrate(config, createLog(config.logLevel))
    console.log(ran.length === 0 ? 'The database is up to date.' : ran.map((name) => `ran ${name}`).join('\n'))
  })

program
  .command('images')
  .description('look after the images')
  .command('delete')
  .description('delete images with their originals and everything made of them')
  .requiredOption('--all', 'all of them')
  .option('--yes', 'do not ask')
  .action(async ({ yes = false }: { yes?: boolean }) => deleteImages(settings(), { yes }))

/** The environment, and below it the `.env` of the folder the command runs in. */
function settings(): Config {
  try {
    process.loadEnvFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new StartError(`.env cannot be read: ${(error as Error).message}.`)
  }
  return readConfig()
}

try {
  await program.parseAsync()
} catch (error) {
  const expected = error instanceof StartError || (error instanceof CalotypeError && error.code !== 'internal')
  console.error(expected ? error.message : error)
  process.exit(1)
}
