// Questions to whoever runs a command; a password is not shown while it is typed, and may come by stdin instead.
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../access.ts'
import { StartError } from '../errors.ts'

/** Questions go to stderr: stdout is for what a command gives. Throws StartError where nobody is there to be asked. */
export async function ask(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) throw new StartError(`Nobody is there to be asked. ${otherwise}`)
  return askTerminal(question, process.stderr)
}

/** Whether the answer is yes. The question goes to stderr. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} y/N `)).trim())
  } finally {
    terminal.close()
  }
}

/** Twice from a terminal, so that it is what was meant; else the first line of stdin. Throws StartError for one that can't be one. */
export async function askNewPassword(): Promise<string> {
  if (!process.stdin.isTTY) return checked((await text(process.stdin)).split(/\r?\n/, 1)[0] ?? '')
  const password = checked(await askHidden('Password: '))
  if ((await askHidden('The same again: ')) !== password) throw new StartError('The two passwords differ. Nothing was changed.')
  return password
}

function checked(password: string): string {
  if (password.length >= MIN_PASSWORD_LENGTH && password.length <= MAX_PASSWORD_LENGTH) return password
  throw new StartError(`A password has ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters; this one has ${password.length}.`)
}

async function askHidden(question: string): Promise<string> {
  process.stderr.write(question)
  // The terminal shows what is written here, and nothing is.
  const answer = await askTerminal('', new Writable({ write: (_chunk, _encoding, done) => done() }))
  process.stderr.write('\n')
  return answer
}

async function askTerminal(question: string, output: NodeJS.WritableStream): Promise<string> {
  const asking = createInterface({ input: process.stdin, output, terminal: true })
  try {
    asking.on('SIGINT', () => process.exit(130))
    return await asking.question(question)
  } finally {
    asking.close()
  }
}
