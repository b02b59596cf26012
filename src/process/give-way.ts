// Whoever answers people, and the database beside it, comes first: pixels take what is left of the cores.
import { writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'

// That of the process itself, so that a child gives way alike whether its system knows of sessions or not. `/healthz` and a developed image
// while two cores develop, p99: 150 and 330 ms at 0, 40 and 75 at 10, 20 and 50 at 15, 15 and 45 at 19; photographs beside two busy loops, to
// those with the machine to themselves: 8, 24 and 56 times as long at 10, 15 and 19, too long for a large image.
const SESSION_NICENESS = '10'
// The kernel lets one process of a user without privileges do so in a tenth of a second.
const TRIES = 50
const RETRY_MS = 100

/**
 * Lowers the priority of this process, and of the session it leads. Linux shares the cores among sessions before it looks at niceness
 * (sched(7), autogroup), and a child has a session of its own: its niceness alone counts against nobody but itself.
 */
export function giveWay(): void {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  void lowerSession()
}

async function lowerSession() {
  for (let tried = 0; tried < TRIES; tried++) {
    try {
      return writeFileSync('/proc/self/autogroup', SESSION_NICENESS)
    } catch (error) {
      // Elsewhere there is no such thing; in containers, it may not be written and doesn't count.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      await wait(RETRY_MS)
    }
  }
}
