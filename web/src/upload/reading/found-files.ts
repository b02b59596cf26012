// From a drop, a paste or a picker to files: folders are walked to their ends.
import type { FoundFile } from '../entry.ts'

/** So many are handed on at a time, with a breath for the page in between. */
const CHUNK = 500

/** What systems leave in folders, and nobody means to upload. */
const isLitter = (name: string) => name.startsWith('.') || name === 'Thumbs.db' || name === 'desktop.ini'

const breath = () => new Promise<void>((resolve) => setTimeout(resolve))

const inOrder = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)

/** Of a picker. */
export async function* filesOf(files: readonly File[]): AsyncGenerator<FoundFile[]> {
  let chunk: FoundFile[] = []
  for (const found of files.map((file) => ({ file, path: file.webkitRelativePath || file.name })).sort(inOrder)) {
    // In a folder only: who picks one by hand means it.
    if (found.path !== found.file.name && isLitter(found.file.name)) continue
    chunk.push(found)
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
    await breath()
  }
  if (chunk.length > 0) yield chunk
}

/** Of a drop or a paste. To be called within its event: afterwards, the browser has forgotten what it was. */
export function filesOfTransfer(transfer: DataTransfer): AsyncGenerator<FoundFile[]> {
  const entries: FileSystemEntry[] = []
  const files: File[] = []
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue
    const entry = item.webkitGetAsEntry?.()
    const file = entry?.isDirectory ? null : item.getAsFile()
    if (file) files.push(file)
    else if (entry) entries.push(entry)
  }
  return join(filesOf(files), walk(entries))
}

async function* join<T>(...parts: AsyncIterable<T>[]): AsyncGenerator<T> {
  for (const part of parts) yield* part
}

const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile

async function* walk(entries: FileSystemEntry[]): AsyncGenerator<FoundFile[]> {
  const folders = entries.filter(isFolder)
  for (let folder = folders.shift(); folder; folder = folders.shift()) {
    const inside = (await contentsOf(folder)).sort((a, b) => (a.name < b.name ? -1 : 1))
    folders.push(...inside.filter(isFolder))
    const files = inside.filter(isFile).filter(({ name }) => !isLitter(name))
    for (let at = 0; at < files.length; at += CHUNK) {
      yield await open(files.slice(at, at + CHUNK))
      await breath()
    }
  }
}

async function contentsOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    // At most a hundred at a time, and none at the end. What can't be read is passed over.
    const some = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])))
    if (some.length === 0) return all
    all.push(...some)
  }
}

async function open(entries: FileSystemFileEntry[]): Promise<FoundFile[]> {
  const opened = await Promise.all(entries.map((entry) => new Promise<File | null>((resolve) => entry.file(resolve, () => resolve(null)))))
  return opened.flatMap((file, at) => (file ? [{ file, path: entries[at]!.fullPath.replace(/^\//, '') }] : []))
}
