// `calotype admin`: the first administrator, and a way back in for who lost a password.
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { addUser, resetPassword as resetPasswordOf } from '../flow/change-user.ts'
import { ask, askNewPassword } from './ask.ts'
import { COMMAND, readEmail, userOf, withAccounts } from './with-accounts.ts'

const MAX_NAME_LENGTH = 100

/** Throws StartError for what is no address or no password, CalotypeError `email_taken`. */
export async function createAdmin(config: Config, options: { email?: string; name?: string }): Promise<void> {
  const email = readEmail(options.email ?? (await ask('E-mail address: ', 'Add --email ADDRESS; the password is taken from stdin.')))
  const name = (options.name ?? email.split('@')[0]!).trim()
  if (name === '' || name.length > MAX_NAME_LENGTH || /\p{Cc}/u.test(name)) {
    throw new StartError(`A name is one line of 1 to ${MAX_NAME_LENGTH} characters.`)
  }
  const password = await askNewPassword()
  await withAccounts(config, (deps) => addUser(deps, COMMAND, { email, name, role: 'admin', password }))
  console.log(`${email} is an administrator now.`)
}

export async function resetPassword(config: Config, { email }: { email: string }): Promise<void> {
  const password = await askNewPassword()
  await withAccounts(config, async (deps) => resetPasswordOf(deps, COMMAND, (await userOf(deps, email)).id, password))
  console.log(`${email} has a new password and is signed out everywhere.`)
}
