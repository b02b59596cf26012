// SIGKILL of the server, the worker or a child at random moments, with the rounds of the long form; embedded alone: test/journeys/recovery/kill.test.ts.
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { sendAll } from '../cluster/ledger.ts'
import { eventually } from '../support/clients/client.ts'
import { longTest, ROUNDS } from '../support/long-form.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { assertWell, settle } from './run/figures.ts'
import { onEachTopology } from './run/subject.ts'

const FILES_A_ROUND = 18
/** They are sent and developed in about as much. */
const LATEST_KILL_MS = 1_500
const SENT_MS = 90_000

onEachTopology(
  (topology, open) => {
    longTest(`killed ${ROUNDS} times at random moments`, async (t) => {
      await using subject = await open()
      const victims = [
        () => subject.server.kill('SIGKILL'),
        () => subject.worker!.kill('SIGKILL'),
        async () => {
          const [, ...children] = subject.worker!.pids()
          const child = children[Math.floor(Math.random() * children.length)]
          if (child !== undefined) process.kill(child, 'SIGKILL')
        },
      ]
      const killed = victims.map(() => 0)
      let sent = 0
      for (let round = 0; round < ROUNDS!; round++) {
        const photographs = await smallPhotographs(FILES_A_ROUND, { seed: sent })
        const files = photographs.map((bytes, index) => ({ name: `${sent + index}.jpg`, bytes }))
        sent += FILES_A_ROUND
        let isSent = false
        const sending = sendAll(subject, files, subject.ledger).finally(() => (isSent = true))
        await wait(Math.random() * LATEST_KILL_MS)
        const victim = Math.floor(Math.random() * victims.length)
        await victims[victim]!()
        killed[victim]!++
        await eventually(
          'all is sent',
          async () => {
            await subject.revive()
            return isSent
          },
          SENT_MS,
        )
        await sending
      }
      t.diagnostic(`killed: server ${killed[0]}, worker ${killed[1]}, child ${killed[2]}`)
      assert.equal(subject.ledger.acknowledged.size, sent)
      assertWell(t, `SIGKILL at ${ROUNDS} random moments`, topology, await settle(subject, { sent }))
    })
  },
  ['cluster'],
)
