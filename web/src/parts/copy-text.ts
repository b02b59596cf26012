// Puts text on the clipboard, also for pages that came over plain HTTP.

/** `near` is within what has the focus: a dialog takes it back from anything outside. */
export async function copyText(text: string, near: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // There is none on plain HTTP, or it is not allowed; this old way still works.
    const focused = document.activeElement
    const field = document.createElement('textarea')
    field.value = text
    near.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
    if (focused instanceof HTMLElement) focused.focus()
  }
}
