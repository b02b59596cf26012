// The one upload of this tab: it goes on while other pages are looked at.
import { Uploader } from './uploader.svelte.ts'

export const uploader = new Uploader()
