// Files into the upload: by drop, paste, and the pickers.
import { filesOf, filesOfTransfer } from './found-files.ts'
import type { Uploader } from '../uploader.svelte.ts'

export const ACCEPT = 'image/jpeg,image/png,image/webp,image/avif,image/gif'

/** There while the page is; the buttons click them. */
export const inputs: { photographs?: HTMLInputElement; folder?: HTMLInputElement; camera?: HTMLInputElement } = {}

export function addTransfer(uploader: Uploader, transfer: DataTransfer | null): void {
  if (transfer) void uploader.add(filesOfTransfer(transfer))
}

export function addInput(uploader: Uploader, input: HTMLInputElement): void {
  const files = [...(input.files ?? [])]
  // The same choice again is a change again.
  input.value = ''
  if (files.length > 0) void uploader.add(filesOf(files))
}

export const hasFiles = (transfer: DataTransfer | null) => transfer?.types.includes('Files') ?? false
