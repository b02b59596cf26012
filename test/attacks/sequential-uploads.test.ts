// Small images sent one after the other, each once the one before is answered: nobody is made to wait for company that is not coming.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import sharp from 'sharp'
import { END_OF_PARTS, MULTIPART, part } from '../support/clients/client.ts'
import { onEachTopology, type Calotype } from '../support/servers/topologies.ts'
import { longTest, tellAttack } from './figures.ts'

const IMAGES = 60
const MANY_IMAGES = 1_000
/** With two cores to itself. */
const MAX_SECONDS = 15
/** Waiting for others took 100 ms (embedded) or up to 205 ms (cluster) of nearly each. A tenth of them is quick on a busy machine, too. */
const MAX_QUICK_MS = 90
const QUICK = 0.1

/** A PNG of 16 × 16 that no other number gives. */
const tinyPng = (number: number) =>
  sharp({ create: { width: 16, height: 16, channels: 3, background: { r: number & 255, g: (number >> 8) & 255, b: 90 } } })
    .png()
    .toBuffer()

/** Sends one image on a connection of the agent, and waits for its outcome. Returns the milliseconds it took. */
async function send({ url }: Calotype, agent: Agent, number: number): Promise<number> {
  const body = Buffer.concat([part('image', `${number}.png`, await tinyPng(number)), END_OF_PARTS])
  const startedAt = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const headers = { 'content-type': MULTIPART, 'content-length': body.length }
  const sending = request(`${url}/api/upload`, { method: 'POST', headers, agent }, (response) => {
    text(response).then((said) => {
      if (response.statusCode === 200) resolve()
      else reject(new Error(`${response.statusCode} ${said}`))
    }, reject)
  })
  sending.on('error', reject).end(body)
  await promise
  return performance.now() - startedAt
}

/** One after the other, on one connection. */
async function sendInTurn(calotype: Calotype, count: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  for (let number = 0; number < count; number++) times.push(await send(calotype, agent, number))
  agent.destroy()
  return times
}

const quantile = (times: number[], share: number) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)]!

async function attack(calotype: Calotype, t: TestContext, count: number): Promise<number> {
  const times = await sendInTurn(calotype, count)
  const totalS = times.reduce((sum, ms) => sum + ms, 0) / 1000
  const note = `${count} images in ${totalS.toFixed(1)} s, median ${quantile(times, 0.5).toFixed(1)} ms`
  tellAttack(t, 'small uploads in turn', calotype.topology, null, note)
  const quickMs = quantile(times, QUICK)
  // In a cluster, eight processes share the machine with the rest of the tests: what an outcome waits for is in process-images.test.ts.
  if (calotype.topology === 'embedded') assert.ok(quickMs < MAX_QUICK_MS, `nine of ten uploads took ${quickMs.toFixed(0)} ms or more`)
  return totalS
}

onEachTopology({ LOG_LEVEL: 'error' }, (calotype) => {
  test('small images sent one after the other do not wait for each other', async (t) => void (await attack(calotype, t, IMAGES)))

  longTest('a thousand of them take 15 seconds, embedded', async (t) => {
    const totalS = await attack(calotype, t, MANY_IMAGES)
    if (calotype.topology === 'embedded') assert.ok(totalS <= MAX_SECONDS, `${totalS.toFixed(1)} s`)
  })
})
