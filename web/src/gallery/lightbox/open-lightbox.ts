// Opens the lightbox with all that lies over it: the chunk that is loaded when the first image is opened.
import { mount, unmount } from 'svelte'
import type { Gallery } from '../gallery.svelte.ts'
import { Lightbox, type LightboxOptions } from './lightbox.svelte.ts'
import LightboxChrome from './LightboxChrome.svelte'

export function openLightbox(gallery: Gallery, options: LightboxOptions): Lightbox {
  const lightbox = new Lightbox({
    ...options,
    closed: () => {
      void unmount(chrome)
      options.closed()
    },
  })
  const chrome = mount(LightboxChrome, { target: lightbox.open(), props: { lightbox, gallery } })
  return lightbox
}
