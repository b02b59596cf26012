// The upload in words: its headline, what holds it up, and the name of each state.
import type { Component } from 'svelte'
import Ban from '@lucide/svelte/icons/ban'
import Check from '@lucide/svelte/icons/check'
import CircleAlert from '@lucide/svelte/icons/circle-alert'
import CloudUpload from '@lucide/svelte/icons/cloud-upload'
import Copy from '@lucide/svelte/icons/copy'
import FileSearch from '@lucide/svelte/icons/file-search'
import Hourglass from '@lucide/svelte/icons/hourglass'
import Sparkles from '@lucide/svelte/icons/sparkles'
import { plural } from '../../parts/format.ts'
import type { EntryState } from '../entry.ts'
import type { Uploader } from '../uploader.svelte.ts'

type Tone = 'quiet' | 'active' | 'good' | 'bad'

export const STATE_WORDS: Record<EntryState, { label: string; tone: Tone; Icon: Component }> = {
  reading: { label: 'Checking', tone: 'quiet', Icon: FileSearch },
  waiting: { label: 'Waiting', tone: 'quiet', Icon: Hourglass },
  sending: { label: 'Sending', tone: 'active', Icon: CloudUpload },
  sent: { label: 'Sent', tone: 'active', Icon: Hourglass },
  developing: { label: 'Developing', tone: 'active', Icon: Sparkles },
  done: { label: 'Developed', tone: 'good', Icon: Check },
  failed: { label: 'Failed', tone: 'bad', Icon: CircleAlert },
  refused: { label: 'Not taken', tone: 'bad', Icon: CircleAlert },
  skipped: { label: 'Here twice', tone: 'quiet', Icon: Copy },
  cancelled: { label: 'Cancelled', tone: 'quiet', Icon: Ban },
  missing: { label: 'Missing', tone: 'bad', Icon: FileSearch },
}

export function headlineOf({ figures, sender, isReadingFolders, list }: Uploader): string {
  void list.version
  const { total, ours, isActive, missing, done, failed } = figures
  if (isReadingFolders && total === 0) return 'Looking through your files…'
  if (ours > 0) return sender.holdup === null ? `Uploading ${plural(total, 'photograph')}` : 'Upload paused'
  if (isActive) return `Developing ${plural(total, 'photograph')}`
  if (missing > 0) return `${plural(missing, 'photograph')} still missing`
  if (done > 0) return `${plural(done, 'photograph')} developed`
  return failed > 0 ? 'Nothing could be developed' : 'Nothing left to do'
}

/** What someone has to know about now, if there is something. */
export function situationOf({ figures, sender, isCutOff }: Uploader): { sentence: string; tone: 'note' | 'bad' } | null {
  const { holdup } = sender
  if (figures.ours > 0 && holdup === 'offline') {
    return { tone: 'bad', sentence: 'This device is offline. The upload goes on by itself as soon as it is back.' }
  }
  if (figures.ours > 0 && holdup !== null && holdup !== 'offline' && holdup.isSignedOut) {
    return { tone: 'bad', sentence: 'Your session has ended. Sign in again, and the upload goes on where it was; nothing is lost.' }
  }
  if (figures.ours > 0 && holdup !== null && holdup !== 'offline') {
    const why = holdup.status === 0 ? 'The server does not answer.' : holdup.message
    return { tone: 'bad', sentence: `${why} Nothing is lost; it is tried again by itself.` }
  }
  if (figures.missing > 0) {
    const what = plural(figures.missing, 'file')
    return {
      tone: 'note',
      sentence: `This upload was interrupted. Drop the same folder or files again: ${what} will be sent, the rest is here already.`,
    }
  }
  if (isCutOff) {
    return { tone: 'note', sentence: 'This upload was cut off before all of its files were known. Drop it again: nothing is sent twice.' }
  }
  return null
}
