// What is shown of who did something, where people read it.
import type { FastifyRequest } from 'fastify'
import type { AccountStore } from '../../accounts/account-store.ts'

/** Their e-mail address; on an open server the address they came from. */
export async function nameOfActor(accounts: Pick<AccountStore, 'getUser'>, { principal: { userId }, ip }: FastifyRequest): Promise<string> {
  const user = userId === null ? null : await accounts.getUser(userId)
  return user?.email ?? ip
}
