// `calotype admin`: the first administrator, and a way back in for who lost a password.
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { addUser, resetPassword as resetPasswordOf } from '../flow/accounts/change-user.ts'
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

/** Says what became of the API keys, which go on working unless `revokeKeys`. */
export async function resetPassword(config: Config, { email, revokeKeys }: { email: string; revokeKeys?: boolean }): Promise<void> {
  const password = await askNewPassword()
  const reset = await withAccounts(config, async (deps) =>
    resetPasswordOf(deps, COMMAND, (await userOf(deps, email)).id, { password, revokeKeys }),
  )
  console.log(`${email} has a new password and is signed out everywhere.`)
  const { activeKeys = 0, revokedKeys = 0 } = reset ?? {}
  if (revokedKeys > 0) console.log(`${keys(revokedKeys)} revoked.`)
  if (activeKeys > 0) {
    console.log(
      `${keys(activeKeys)} still valid. \`calotype key list --owner ${email}\` shows them; --revoke-keys revokes them with a reset.`,
    )
  }
}

const keys = (count: number) => (count === 1 ? '1 API key is' : `${count} API keys are`)
