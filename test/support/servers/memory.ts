// How much memory the server takes for something, watched from outside.
import { setTimeout as wait } from 'node:timers/promises'
import type { Server } from './server.ts'

const SETTLING_MS = 500
const SAMPLE_MS = 50

/** Resident memory of the server process itself, without its children, at its most above its idle while `work` went on, in MB. */
export async function growthDuring(server: Server, work: () => Promise<void>): Promise<number> {
  await wait(SETTLING_MS)
  const idle = server.rssMb(server.pid)
  let most = idle
  const sampling = setInterval(() => (most = Math.max(most, server.rssMb(server.pid))), SAMPLE_MS)
  await work().finally(() => clearInterval(sampling))
  return Math.max(most, server.rssMb(server.pid)) - idle
}
