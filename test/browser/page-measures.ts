// What a page costs: how free its main thread is, its memory, its frames.
import type { Page } from 'playwright-core'

export interface Heartbeat {
  stop(): Promise<{ beats: number; p99LateMs: number; worstTaskMs: number }>
}

/** Every 10 ms the page is asked to do nothing; how late it does is how long something else kept it. */
export async function startHeartbeat(page: Page): Promise<Heartbeat> {
  await page.evaluate(() => {
    const late: number[] = []
    const tasks: number[] = [0]
    let due = performance.now() + 10
    const timer = setInterval(() => {
      const now = performance.now()
      late.push(Math.max(0, now - due))
      due = now + 10
    }, 10)
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
    const stop = () => {
      clearInterval(timer)
      late.sort((a, b) => a - b)
      return { beats: late.length, p99LateMs: late[Math.floor(late.length * 0.99)] ?? 0, worstTaskMs: Math.max(...tasks) }
    }
    Object.assign(window, { stopHeartbeat: stop })
  })
  return {
    stop: () =>
      page.evaluate(() =>
        (window as unknown as { stopHeartbeat(): { beats: number; p99LateMs: number; worstTaskMs: number } }).stopHeartbeat(),
      ),
  }
}

/** Of JavaScript, after its garbage was collected; MB of 1e6 bytes. */
export async function usedHeapMb(page: Page): Promise<number> {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('HeapProfiler.collectGarbage')
  const { usedSize } = await devtools.send('Runtime.getHeapUsage')
  await devtools.detach()
  return usedSize / 1e6
}
