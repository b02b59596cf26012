// Undoes an upload whose body was cut off.
import { failpoint } from '../../failpoints.ts'
import type { UploadDeps } from './upload.ts'

/** What it left in the rows becomes `aborted`, is announced as such, and swept. Repeatable. */
export async function abortUpload({ images, queue, feed }: Pick<UploadDeps, 'images' | 'queue' | 'feed'>, batchId: string): Promise<void> {
  await queue.drop(batchId)
  const aborted = await images.abort(batchId)
  failpoint('upload-aborted')
  await feed.publish(aborted)
  await images.sweepAborted()
}
