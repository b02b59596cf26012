// Downloads many originals as one zip: by a form in a hidden frame, so that the browser streams it to the disk by itself.
import { type Filter, filterQuery } from '../photos/filter.ts'

const PATH = '/api/images/archive'

/** All images of a filter. */
export function downloadAll(filter: Filter, failed: () => void): void {
  const form = formTo('get', failed)
  for (const [name, value] of filterQuery(filter)) form.append(field(name, value))
  send(form)
}

/** These images; too many for an address, so it is a POST. */
export function downloadSome(ids: readonly string[], failed: () => void): void {
  const form = formTo('post', failed)
  for (const id of ids) form.append(field('id', id))
  send(form)
}

function formTo(method: 'get' | 'post', failed: () => void): HTMLFormElement {
  const form = document.createElement('form')
  form.hidden = true
  form.method = method
  form.action = PATH
  form.target = frame(failed).name
  return form
}

function field(name: string, value: string): HTMLInputElement {
  const input = document.createElement('input')
  input.type = 'hidden'
  input.name = name
  input.value = value
  return input
}

function send(form: HTMLFormElement): void {
  document.body.append(form)
  form.submit()
  form.remove()
}

const FRAME = 'archive-download'

/** A download leaves the frame as it is; a page that is loaded into it is an error that says why there is no download. */
function frame(failed: () => void): HTMLIFrameElement {
  const existing = document.querySelector<HTMLIFrameElement>(`iframe[name="${FRAME}"]`)
  const element = existing ?? document.createElement('iframe')
  if (!existing) {
    element.name = FRAME
    element.title = 'Download'
    element.hidden = true
    document.body.append(element)
  }
  element.onload = () => {
    if (!isBlank(element)) failed()
  }
  return element
}

function isBlank(frame: HTMLIFrameElement): boolean {
  try {
    return frame.contentWindow?.location.href === 'about:blank'
  } catch {
    // The browser's own page about a server that does not answer.
    return false
  }
}
