// What the log and the metrics are told of files that the store has lost.
import type { Loss } from '../../flow/images/read-original.ts'
import type { Logger } from '../../log.ts'
import type { Observer } from '../../observe/observer.ts'

/** Files that were logged, so that a page which shows a lost one again and again does not fill the log. Beyond, all are logged anew. */
const MAX_REMEMBERED = 1_000

export function tellLosses(log: Logger, observer: Observer | undefined): (loss: Loss) => void {
  const logged = new Set<string>()
  return ({ code, image, key }) => {
    observer?.tell({ what: 'lost', code })
    if (logged.has(key)) return
    if (logged.size >= MAX_REMEMBERED) logged.clear()
    logged.add(key)
    log.warn({ code, image: image.id, key }, 'the store has lost a file that was asked for, or parts of it: run calotype doctor')
  }
}
