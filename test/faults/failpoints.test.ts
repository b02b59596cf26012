// SIGKILL at every step of the journey, in the server, the worker and the child: at the first, second, third … time a step is reached,
// until it is reached no more. The short form has the first time at some of them, embedded.
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { FAILPOINTS, type Failpoint } from '../../src/failpoints.ts'
import { sendUnit } from '../cluster/ledger.ts'
import { allFinal, ask, eventually, MULTIPART, part, type SentFile } from '../support/clients/client.ts'
import { audit } from '../support/servers/data-dir.ts'
import { declare, described, sendFiles } from '../support/clients/ledger.ts'
import { ROUNDS } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { isAlive } from '../support/servers/processes.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology, type Subject, type Topology } from './run/subject.ts'

const POLL_MS = 50
/** A sweep every 10 s, leases of 6 and 15 s. */
const SWEPT_MS = 40_000
const MOST_HITS = 40

type Way =
  | 'send'
  | 'declare'
  | 'cut off'
  | 'delete'
  | 'delete and sweep'
  | 'crash while storing'
  | 'crash while developing'
  | 'crash while receiving'

/** What reaches a step; sending does, unless it is said here. */
const WAYS: Partial<Record<Failpoint, Way>> = {
  'arrival-uncommitted': 'declare',
  'upload-aborted': 'cut off',
  'image-deleted': 'delete',
  'blobs-deleted': 'delete and sweep',
  'expected-given-up': 'crash while storing',
  'uploads-given-up': 'crash while receiving',
  'work-reclaimed': 'crash while developing',
}
/** Only a start of the only server looks for them. */
const EMBEDDED_ONLY: Failpoint[] = ['expected-given-up']

/** Those of the short form: before and after each thing that is durable. */
const SHORT: Failpoint[] = [
  'file-synced',
  'blob-renamed',
  'upload-uncommitted',
  'upload-committed',
  'work-claimed',
  'child-admitted',
  'outputs-stored',
  'outcome-recorded',
  'expected-given-up',
]

interface Account {
  sent: number
  deleted: string[]
}

/** A client that goes on until it has its acknowledgement, whoever dies meanwhile. */
class Client {
  readonly account: Account = { sent: 0, deleted: [] }
  readonly #subject: Subject
  readonly #files: number

  constructor(subject: Subject, files: number) {
    this.#subject = subject
    this.#files = files
  }

  async #newFiles(count: number): Promise<SentFile[]> {
    const seed = this.account.sent
    this.account.sent += count
    return (await smallPhotographs(count, { seed })).map((bytes, index) => ({ name: `${seed + index}.jpg`, bytes }))
  }

  async send(): Promise<string> {
    const { ledger } = this.#subject
    const [single] = await this.#newFiles(1)
    await sendUnit(this.#subject, { endpoint: 'sync', files: [single!] }, ledger)
    if (this.#files > 1) await sendUnit(this.#subject, { endpoint: 'async', files: await this.#newFiles(this.#files - 1) }, ledger)
    return [...ledger.acknowledged].find(([, name]) => name === single!.name)![0]
  }

  async declare(): Promise<void> {
    const files = (await this.#newFiles(2)).map(({ name, bytes }, index) => ({ index, name, bytes: Buffer.from(bytes) }))
    const { id } = await declare(this.#subject, files.map(described))
    const answer = await untilAnswered(() => sendFiles(this.#subject, id, files))
    assert.equal(answer.status, 202, answer.text)
    for (const image of answer.body.images) this.#subject.ledger.acknowledged.set(image.id, image.name)
  }

  /** A body of which a file is recorded, and which then ends. */
  async cutOff({ byCrash = false } = {}): Promise<void> {
    const [bytes] = await smallPhotographs(1, { seed: 100_000 + Math.floor(Math.random() * 1e6) })
    const sending = request(`${this.#subject.url}/api/async/batch/upload`, {
      method: 'POST',
      headers: { 'content-type': MULTIPART },
      agent: false,
    })
    sending.on('error', () => {})
    sending.write(Buffer.concat([part('images', 'cut.jpg', bytes!), part('images', 'rest.jpg', bytes!.subarray(0, 1_000))]))
    await wait(600)
    if (byCrash) await this.#subject.server.kill('SIGKILL')
    sending.destroy()
  }

  async delete(id: string): Promise<void> {
    this.account.deleted.push(id)
    await untilAnswered(() => ask(this.#subject, `/api/images/${id}`, { method: 'DELETE' }))
  }
}

async function untilAnswered<T extends { status: number }>(send: () => Promise<T>): Promise<T> {
  return eventually(
    'there is an answer',
    async () => {
      const answer = await send().catch(() => null)
      return answer !== null && answer.status < 500 && answer
    },
    SWEPT_MS,
  )
}

async function goThrough(way: Way, subject: Subject, client: Client, arm: (line: string) => void, line: string): Promise<void> {
  const crashAt = async (name: Failpoint) => {
    arm(`${name} 1`)
    const sending = client.send()
    await eventually(`${name} is reached`, async () => existsSync(`${subject.failpoint}.fired`))
    arm(line)
    await sending
  }
  if (way === 'crash while storing') return crashAt('originals-stored')
  if (way === 'crash while developing') return crashAt('work-claimed')
  arm(line)
  if (way === 'declare') return client.declare()
  if (way === 'cut off') return client.cutOff()
  if (way === 'crash while receiving') return client.cutOff({ byCrash: true })
  const id = await client.send()
  if (way !== 'send') await client.delete(id)
}

/** False where the step is met only now, by who was just asked. */
const isAllFinal = (subject: Subject) =>
  allFinal(subject).then(
    () => true,
    (error: unknown) => {
      if (error instanceof TypeError) return false
      throw error
    },
  )

/** Takes the subject through a step with SIGKILL waiting there; true if it was met. */
async function killAt(subject: Subject, client: Client, name: Failpoint, hit: number): Promise<boolean> {
  const { failpoint } = subject
  const fired = () => existsSync(`${failpoint}.fired`)
  const arm = (line: string) => {
    rmSync(`${failpoint}.fired`, { force: true })
    writeFileSync(failpoint, line)
  }
  let done = false
  const reviving = (async () => {
    // One that dies while it starts is started again.
    for (; !done; await wait(POLL_MS)) await subject.revive().catch(() => undefined)
  })()
  try {
    const way = WAYS[name] ?? 'send'
    await goThrough(way, subject, client, arm, `${name} ${hit}`)
    await eventually('everyone is there', async () => [subject.server, subject.processor].every(({ pid }) => isAlive(pid)), SWEPT_MS)
    // What comes by a sweep or a start is waited for, the first time.
    if (way !== 'send' && way !== 'declare' && hit === 1)
      await eventually('it is reached', async () => fired(), SWEPT_MS).catch(() => undefined)
    await eventually(
      'it is reachable',
      () =>
        ask(subject, '/readyz').then(
          ({ status }) => status === 200,
          () => false,
        ),
      SWEPT_MS,
    )
    await eventually('all are final', () => isAllFinal(subject), SWEPT_MS)
    return fired()
  } finally {
    rmSync(failpoint, { force: true })
    done = true
    await reviving
    await subject.revive()
  }
}

async function assertNothingLost(subject: Subject, { deleted }: Account, where: string): Promise<void> {
  const { images, rowsWithoutBytes } = await audit(subject)
  const byId = new Map(images.map(({ id, name }) => [id, name]))
  const lost = [...subject.ledger.acknowledged].filter(([id, name]) => byId.get(id) !== name && !deleted.includes(id))
  const twice = images.filter(({ name }, at) => images.findIndex((other) => other.name === name) !== at)
  assert.deepEqual({ lost, twice, rowsWithoutBytes }, { lost: [], twice: [], rowsWithoutBytes: [] }, where)
  assert.deepEqual(
    images.filter(({ status }) => status !== 'completed'),
    [],
    where,
  )
}

const isIn = (topology: Topology, name: Failpoint) => topology === 'embedded' || !EMBEDDED_ONLY.includes(name)

onEachTopology(
  (topology, open) => {
    const names = FAILPOINTS.filter((name) => isIn(topology, name) && (ROUNDS !== null || SHORT.includes(name)))
    test(`killed at each of ${names.length} steps`, { timeout: 60 * 60_000 }, async (t) => {
      await using subject = await open()
      const client = new Client(subject, ROUNDS === null ? 1 : 3)
      const hits: string[] = []
      for (const name of names) {
        let hit = 1
        for (; hit <= MOST_HITS; hit++) {
          const met = await killAt(subject, client, name, hit)
          await assertNothingLost(subject, client.account, `after ${name} ${hit}`)
          if (!met) break
          if (ROUNDS === null) {
            hit++
            break
          }
        }
        hits.push(`${name} ${hit - 1}`)
        assert.ok(hit > 1, `${name} was never reached`)
      }
      t.diagnostic(`killed at ${hits.join(', ')}`)
      const { sent, deleted } = client.account
      assertWell(t, 'SIGKILL at every step', topology, await settle(subject, { sent, deleted }), deleted.length)
    })
  },
  ROUNDS === null ? ['embedded'] : ['embedded', 'cluster'],
)
