// The command line: the sole owner of argv, signals and exit codes. Each command loads what it needs, and no other waits for it.
import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import type { DoctorOptions } from './cli/doctor.ts'
import { serve, work } from './cli/serve.ts'
import { unsuppressed } from './cli/unsuppressed.ts'
import { readConfig, type Config } from './config.ts'
import { settingsHelp } from './config/help.ts'
import { toStartError } from './db/sqlite/sqlite-faults.ts'
import { ERRORS } from './error-codes.ts'
import { CalotypeError, StartError, toCalotypeError } from './errors.ts'
import { createLog } from './log.ts'

const program = new Command('calotype')
  .description('Takes images in over HTTP, keeps the originals, develops them, and tells everyone who is watching.')
  .version(packageJson.version)
  .addHelpText('afterAll', `\n${settingsHelp()}`)

program
  .command('serve')
  .description('run the server until SIGTERM or Ctrl-C; a second one stops it at once')
  .option('--new', 'use this database and this store together from now on, although one is empty, or they are not those last used together')
  .action(async ({ new: anew = false }: { new?: boolean }) => serve(settings(), { anew }))

program
  .command('worker')
  .description('develop images for the servers of a cluster, until SIGTERM or Ctrl-C')
  .action(async () => work(settings()))

program
  .command('migrate')
  .description('bring the database up to date and end (serve does it, too)')
  .action(async () => {
    const config = settings()
    const { migrate } = await import('./maintain.ts')
    const done = await migrate(config, createLog(config.logLevel))
    console.log(done.length === 0 ? 'The database is up to date.' : done.join('\n'))
  })

program
  .command('doctor')
  .description(
    'examine rows, bytes and what they stand on, also beside a running server; exits 0 when all is well, 1 with findings. ' +
      'Changes nothing without --repair',
  )
  .option('--repair', 'mend what can be mended: develop again, mark images of lost originals as failed, remove temporary files')
  .option('--adopt', 'first make images of all originals that the database does not know, as when it was lost')
  .option('--owner <address>', 'with --adopt: e-mail address of the user whose images they will be; needed where there are users')
  .option('--delete-unknown', 'with --repair: first delete what the database does not know, for good; says how much, and asks')
  .option('--yes', 'do not ask')
  .option('--sample <originals>', 'read only so many originals whole, chosen at random, instead of all; 0: none')
  .option('--grace <seconds>', 'let temporary files, and developed images without a row, be until they are so old', '3600')
  .option('--url <url>', 'the address people use: examine the way there, too')
  .option('--json', 'a JSON object a line: each finding, at the end {"summary":…}')
  .action(async (options: DoctorOptions) => {
    const { examineAndTell } = await import('./cli/doctor.ts')
    process.exitCode = await examineAndTell(settings(), options)
  })

program
  .command('backup')
  .description(
    'back up rows and originals as of one moment, also beside a running server, and verify them. Developed images can be made again',
  )
  .argument('<folder>', 'new or empty; can be copied elsewhere as it is')
  .option(
    '--originals <way>',
    'copy; link (hard links: same disk, no more room); or list (their bytes are backed up where they are). Default: copy, of S3 list',
  )
  .action(async (folder: string, options: { originals?: string }) => {
    const { backUpAndTell } = await import('./cli/backup.ts')
    process.exitCode = await backUpAndTell(settings(), folder, options)
  })

program
  .command('restore')
  .description('put a backup into an empty place (a new DATA_DIR; a new database and an empty store), whichever topology it was made on')
  .argument('<folder>', 'as `calotype backup` made it')
  .action(async (folder: string) => {
    const { restoreAndTell } = await import('./cli/backup.ts')
    process.exitCode = await restoreAndTell(settings(), folder)
  })

program
  .command('images')
  .description('look after the images')
  .command('delete')
  .description('delete images with their originals and everything made of them')
  .requiredOption('--all', 'all of them')
  .option('--yes', 'do not ask')
  .action(async ({ yes = false }: { yes?: boolean }) => {
    const { deleteImages } = await import('./cli/delete-images.ts')
    return deleteImages(settings(), { yes })
  })

const admin = program.command('admin').description('look after the people who administer, also beside a running server')
admin
  .command('create')
  .description('make an administrator; asks for the password, or takes it as the first line of stdin')
  .option('--email <address>', 'of the administrator; asked for if not given')
  .option('--name <name>', 'as others see it; else what stands before the @')
  .action(async (options: { email?: string; name?: string }) => {
    const { createAdmin } = await import('./cli/admin.ts')
    return createAdmin(settings(), options)
  })
admin
  .command('reset-password')
  .description('give somebody a new password and sign them out everywhere; asks for it, or takes it as the first line of stdin')
  .requiredOption('--email <address>', 'whose')
  .option('--revoke-keys', 'also revoke their API keys, which go on working otherwise')
  .action(async (options: { email: string; revokeKeys?: boolean }) => {
    const { resetPassword } = await import('./cli/admin.ts')
    return resetPassword(settings(), options)
  })

const key = program.command('key').description('look after API keys, also beside a running server')
key
  .command('create')
  .description('make a key and print it, this once')
  .requiredOption('--owner <address>', 'e-mail address of the user whose key it is')
  .requiredOption('--scopes <scopes>', 'what it may do, separated by commas: upload, read, delete, admin')
  .option('--name <name>', 'what it is for', 'command line')
  .option('--expires <when>', 'a date (2030-12-31), a time in ISO 8601, or days from now (90d); else never')
  .action(async (options: { owner: string; scopes: string; name: string; expires?: string }) => {
    const { createKey } = await import('./cli/keys.ts')
    return createKey(settings(), options)
  })
key
  .command('list')
  .description('list keys, a line each')
  .option('--owner <address>', 'only those of this user')
  .action(async (options: { owner?: string }) => {
    const { listKeys } = await import('./cli/keys.ts')
    return listKeys(settings(), options)
  })
key
  .command('revoke')
  .description('end a key at once')
  .argument('<id>', 'its id, as `key list` says it')
  .action(async (id: string) => {
    const { revokeKey } = await import('./cli/keys.ts')
    return revokeKey(settings(), id)
  })

/** The environment, and below it the `.env` of the folder the command runs in. */
function settings(): Config {
  try {
    process.loadEnvFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new StartError(`.env cannot be read: ${(error as Error).message}.`)
  }
  return readConfig()
}

/** Null for what nobody expected: its stack says more. */
function sentenceOf(thrown: unknown): string | null {
  const error = toStartError(unsuppressed(thrown))
  if (error instanceof StartError) return error.message
  if (error instanceof CalotypeError && error.code !== 'internal') return error.message
  return toCalotypeError(error).code === 'storage_full' ? ERRORS.storage_full : null
}

try {
  await program.parseAsync()
} catch (error) {
  console.error(sentenceOf(error) ?? error)
  process.exit(1)
}
