// How far a long command is, on stderr: a line that is written over in a terminal, one every ten seconds elsewhere.
const TERMINAL_EVERY_MS = 200
const ELSEWHERE_EVERY_MS = 10_000

export function createProgress(verb: string): { tell(done: number, of?: number): void; end(): void } {
  const { isTTY } = process.stderr
  let toldAt = performance.now()
  let wrote = false
  return {
    tell(done, of) {
      if (performance.now() - toldAt < (isTTY ? TERMINAL_EVERY_MS : ELSEWHERE_EVERY_MS)) return
      toldAt = performance.now()
      wrote = true
      const text = of === undefined ? `${done} originals ${verb}` : `${done} of ${of} originals ${verb}`
      process.stderr.write(isTTY ? `\r${text}\u001b[K` : `${text}\n`)
    },
    end() {
      if (isTTY && wrote) process.stderr.write('\r\u001b[K')
    },
  }
}
