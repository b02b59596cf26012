// Whoever answers people, and the database beside it, comes first: pixels take what is left of the cores, but never next to nothing.
import { writeFileSync } from 'node:fs'

const LOWEST = 19
const LIKE_OTHERS = 0
// Of one core, over one look: beside a server and its client that pass a large batch on two cores a child has 0.3 or more, beside programs
// that take all cores 0.03.
const LEAST_SHARE = 0.1
const LOOK_MS = 500
const LOOKS_LIKE_OTHERS = 20

/**
 * Lowers the priority of the session that this process leads, where the system lets it. Linux shares the cores among sessions before it
 * looks at niceness (sched(7), autogroup), and a child has a session of its own: its niceness (`confinement.ts`) alone counts against nobody
 * but itself. Where other programs take all cores, what works starves that way: its session is like others for ten seconds, each time
 * that shows.
 */
export function giveWay(isWorking: () => boolean): void {
  let session = LIKE_OTHERS
  let looksLeft = 0
  let wasWorking = false
  let [lookedAt, cpuMs] = [performance.now(), cpuTime()]

  function look() {
    const [now, cpu] = [performance.now(), cpuTime()]
    const share = (cpu - cpuMs) / (now - lookedAt)
    if (wasWorking && isWorking() && share < LEAST_SHARE) looksLeft = LOOKS_LIKE_OTHERS
    else if (looksLeft > 0) looksLeft--
    wasWorking = isWorking()
    ;[lookedAt, cpuMs] = [now, cpu]
    be(looksLeft > 0 ? LIKE_OTHERS : LOWEST)
  }

  function be(niceness: number) {
    if (niceness === session) return
    try {
      writeFileSync('/proc/self/autogroup', String(niceness))
      session = niceness
    } catch (error) {
      // Of processes without privileges one may, in a tenth of a second: the next look tries again. Elsewhere there is no such thing.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') clearInterval(looking)
    }
  }

  // Not all in step: of many that ask the system at once it hears one.
  const looking = setInterval(look, LOOK_MS * (0.9 + Math.random() / 5))
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
