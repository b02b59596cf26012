// Folders of real photographs on the disk, for a browser to read.
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { smallPhotographs } from '../../support/inputs/photographs.ts'

export interface PhotoFolder extends Disposable {
  path: string
  /** Within the folder. */
  names: string[]
  /** Puts another file in. */
  add(name: string, bytes: Uint8Array | string): Promise<void>
}

/** `count` JPEG files of 20 to 100 KB, or padded to `bytes`, all different, in folders of 250. */
export async function photoFolder(count: number, options: { seed?: number; bytes?: number } = {}): Promise<PhotoFolder> {
  const path = mkdtempSync(join(tmpdir(), 'calotype-photographs-'))
  const folder: PhotoFolder = {
    path,
    names: [],
    async add(name, bytes) {
      const file = join(path, name)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, bytes)
      folder.names.push(name)
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
  const photographs = await smallPhotographs(count, options)
  for (const [index, bytes] of photographs.entries()) {
    await folder.add(`day ${1 + Math.floor(index / 250)}/IMG_${String(index + 1).padStart(5, '0')}.jpg`, bytes)
  }
  return folder
}
