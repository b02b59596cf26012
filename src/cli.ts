// The command line: the sole owner of argv, signals and exit codes.
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { createAdmin, resetPassword } from './cli/admin.ts'
import { deleteImages } from './cli/delete-images.ts'
import { createKey, listKeys, revokeKey } from './cli/keys.ts'
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

const admin = program.command('admin').description('look after the people who administer, also beside a running server')
admin
  .command('create')
  .description('make an administrator; asks for the password, or takes it as the first line of stdin')
  .option('--email <address>', 'of the administrator; asked for if not given')
  .option('--name <name>', 'as others see it; else what stands before the @')
  .action(async (options: { email?: string; name?: string }) => createAdmin(settings(), options))
admin
  .command('reset-password')
  .description('give somebody a new password and sign them out everywhere; asks for it, or takes it as the first line of stdin')
  .requiredOption('--email <address>', 'whose')
  .action(async (options: { email: string }) => resetPassword(settings(), options))

const key = program.command('key').description('look after API keys, also beside a running server')
key
  .command('create')
  .description('make a key and print it, this once')
  .requiredOption('--owner <address>', 'e-mail address of the user whose key it is')
  .requiredOption('--scopes <scopes>', 'what it may do, separated by commas: upload, read, delete, admin')
  .option('--name <name>', 'what it is for', 'command line')
  .option('--expires <when>', 'a date (2030-12-31), a time in ISO 8601, or days from now (90d); else never')
  .action(async (options: { owner: string; scopes: string; name: string; expires?: string }) => createKey(settings(), options))
key
  .command('list')
  .description('list keys, a line each')
  .option('--owner <address>', 'only those of this user')
  .action(async (options: { owner?: string }) => listKeys(settings(), options))
key
  .command('revoke')
  .description('end a key at once')
  .argument('<id>', 'its id, as `key list` says it')
  .action(async (id: string) => revokeKey(settings(), id))

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
