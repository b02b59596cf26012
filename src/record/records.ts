// All that the record step has, a store for each noun: the rows are the truth, and what resolves there is committed and synced.
import type { KeptCounts } from './admin/kept-counts.ts'
import type { BatchStore } from './batches/batch-store.ts'
import type { ImageStore } from './images/image-store.ts'
import type { OriginalStore } from './originals/original-store.ts'
import type { RenditionStore } from './renditions/rendition-store.ts'
import type { UploadStore } from './uploads/upload-store.ts'
import type { WorkStore } from './work/work-store.ts'

export interface Records {
  uploads: UploadStore
  work: WorkStore
  renditions: RenditionStore
  images: ImageStore
  batches: BatchStore
  originals: OriginalStore
  counts: KeptCounts
}
