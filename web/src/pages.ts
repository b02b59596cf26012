// The pages of the app, each loaded when it is first gone to.
import type { Component } from 'svelte'
import type { PageName, PageProps } from './router/addresses.ts'

interface Page {
  title: string
  load: () => Promise<{ default: Component<PageProps> | Component<Record<string, never>> }>
}

export const PAGES: Record<PageName, Page> = {
  upload: { title: 'Upload', load: () => import('./upload/page/UploadPage.svelte') },
  gallery: { title: 'Gallery', load: () => import('./gallery/GalleryPage.svelte') },
  batch: { title: 'Batch', load: () => import('./batch/BatchPage.svelte') },
  docs: { title: 'API', load: () => import('./docs/ApiDocsPage.svelte') },
  login: { title: 'Sign in', load: () => import('./account/sign-in/LoginPage.svelte') },
  setup: { title: 'Set up', load: () => import('./account/sign-in/SetupPage.svelte') },
  account: { title: 'Your account', load: () => import('./account/AccountPage.svelte') },
  adminOverview: { title: 'Overview', load: () => import('./admin/overview/OverviewPage.svelte') },
  adminImages: { title: 'Images', load: () => import('./admin/images/ImagesPage.svelte') },
  adminImage: { title: 'Image', load: () => import('./admin/images/ImagePage.svelte') },
  adminBatches: { title: 'Batches', load: () => import('./admin/batches/BatchesPage.svelte') },
  adminFailures: { title: 'Failures', load: () => import('./admin/failures/FailuresPage.svelte') },
  adminWorkers: { title: 'Workers and queue', load: () => import('./admin/workers/WorkersPage.svelte') },
  adminUsers: { title: 'Users', load: () => import('./admin/people/UsersPage.svelte') },
  adminKeys: { title: 'Keys', load: () => import('./admin/people/KeysPage.svelte') },
  adminAudit: { title: 'Audit log', load: () => import('./admin/audit/AuditPage.svelte') },
  adminSettings: { title: 'Settings', load: () => import('./admin/settings/SettingsPage.svelte') },
}
