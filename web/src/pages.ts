// The pages of the app, each loaded when it is first gone to.
import type { Component } from 'svelte'
import type { PageName, PageProps } from './router/addresses.ts'

interface Page {
  title: string
  load: () => Promise<{ default: Component<PageProps> }>
}

export const PAGES: Record<PageName, Page> = {
  upload: { title: 'Upload', load: () => import('./upload/UploadPage.svelte') },
  gallery: { title: 'Gallery', load: () => import('./gallery/GalleryPage.svelte') },
  batch: { title: 'Batch', load: () => import('./batch/BatchPage.svelte') },
  docs: { title: 'API', load: () => import('./docs/ApiDocsPage.svelte') },
}
