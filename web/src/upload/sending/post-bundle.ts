// One request with many files of a batch. By XMLHttpRequest, as fetch does not tell how much was sent.
import type { ApiInitiated } from '../../../../src/api/uploads.ts'
import { type Problem, toProblem, unreachable } from '../../api/problem.ts'
import { session } from '../../api/session.ts'
import type { Entry } from '../entry.ts'

export interface Sending {
  /** What became of the files; rejects with Problem. */
  answer: Promise<Pick<ApiInitiated, 'images' | 'rejected'>>
  abort(): void
}

/** A body that does not move for so long is given up and sent again. */
const STALLED_MS = 60_000

export function postBundle(batch: string, entries: readonly Entry[], progress: (bytes: number) => void): Sending {
  const { turn } = session
  const form = new FormData()
  for (const { index, file, name } of entries) {
    form.append('index', String(index))
    form.append('images', file!, name)
  }
  const request = new XMLHttpRequest()
  let stalled: ReturnType<typeof setTimeout> | undefined
  const moved = () => {
    clearTimeout(stalled)
    stalled = setTimeout(() => request.abort(), STALLED_MS)
  }
  const answer = new Promise<Pick<ApiInitiated, 'images' | 'rejected'>>((resolve, reject: (problem: Problem) => void) => {
    request.upload.onprogress = ({ loaded }) => {
      moved()
      progress(loaded)
    }
    request.onload = () => {
      const answered = read(request.responseText)
      if (answered) resolve(answered)
      else {
        const problem = toProblem(request.status, request.getResponseHeader('retry-after'), request.responseText)
        if (problem.isSignedOut) session.ended(turn)
        reject(problem)
      }
    }
    request.onerror = request.onabort = () => reject(unreachable())
    request.onloadend = () => clearTimeout(stalled)
  })
  request.open('POST', `/api/async/batch/upload?batch=${batch}`)
  for (const [name, value] of Object.entries(session.headers)) request.setRequestHeader(name, value)
  request.send(form)
  moved()
  return { answer, abort: () => request.abort() }
}

/** Also one that took none of them says of each why. */
function read(text: string): Pick<ApiInitiated, 'images' | 'rejected'> | null {
  try {
    const { images = [], rejected = [] } = JSON.parse(text) as Partial<ApiInitiated>
    return images.length + rejected.length > 0 ? { images, rejected } : null
  } catch {
    return null
  }
}
