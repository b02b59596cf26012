// What the tests of bad input share: how it is refused, and what each of them must leave behind: nothing.
import assert from 'node:assert/strict'
import { afterEach } from 'node:test'
import type { ErrorCode } from '../../../src/error-codes.ts'
import { type Answer, ask, eventually, upload, type Uploaded } from '../clients/client.ts'
import { filesIn, query } from '../servers/data-dir.ts'
import type { Calotype } from '../servers/topologies.ts'

export interface BadInput {
  /** Sends one file to the endpoint that waits for the outcome. */
  single(name: string, bytes: Uint8Array | string): Promise<Answer<Uploaded>>
  /** Refused while it was received: the answer says why, and there is no row, no batch in the air. */
  refused(answer: Answer<Uploaded>, status: number, code: ErrorCode, sentence?: RegExp): Promise<void>
  /** Failed in development: the answer says why, and so does the row, which stays. */
  failed(answer: Answer<Uploaded>, code: ErrorCode): Promise<void>
  /** Waits until there are as many rows as when the test began. */
  leavesNoRow(): Promise<void>
}

/** For the tests described after it: when one of them has ended, the server must live, and have no temporary file. */
export function badInput(server: Calotype): BadInput {
  let rowsBefore = 0
  const rows = async () => (await query<{ n: number }>(server, 'select count(*) as n from images'))[0]!.n

  afterEach(async () => {
    assert.equal((await ask(server, '/healthz')).status, 200)
    await eventually('no temporary file is left', async () => (await filesIn(server.dataDir, 'tmp')).length === 0, 2_000)
    rowsBefore = await rows()
  })

  function says({ status, body, text }: Answer<Uploaded>, expected: number, code: ErrorCode, sentence: RegExp) {
    assert.deepEqual([status, body?.code], [expected, code], text)
    assert.match(body.error, sentence)
    // Nothing of paths, libraries or stacks.
    assert.doesNotMatch(text, /\/tmp|vips|sharp|\bat \w+ \(/i)
  }

  async function leavesNoRow() {
    await eventually('no row is left', async () => (await rows()) === rowsBefore, 2_000)
    assert.deepEqual(await query(server, 'select id from batches where received_at is null'), [])
  }

  return {
    single: (name, bytes) => upload(server, 'sync', [{ name, bytes: Buffer.from(bytes) }]),
    async refused(answer, status, code, sentence = /\w+.*\./) {
      says(answer, status, code, sentence)
      await leavesNoRow()
    },
    async failed(answer, code) {
      says(answer, 422, code, /\w+.*\./)
      const { image } = answer.body
      assert.deepEqual([image.status, image.code, image.error], ['error', code, answer.body.error])
      assert.deepEqual((await ask(server, `/api/images/${image.id}`)).body, image)
    },
    leavesNoRow,
  }
}
