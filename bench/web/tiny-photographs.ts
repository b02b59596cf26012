// Many small JPEG files on the disk, each different, of one size.
import { mkdtempSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { photograph } from '../../test/support/inputs/photographs.ts'

const PICTURES = 16

/** In a new folder, whose path it gives. `bytes` is at least that of the picture of so many megapixels, some 300 KB each. */
export async function tinyPhotographs(count: number, { megapixels, bytes }: { megapixels: number; bytes: number }): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-bench-web-'))
  const pictures = await Promise.all(Array.from({ length: PICTURES }, (_, seed) => photograph({ seed, megapixels })))
  for (let index = 0; index < count; index++) {
    const picture = pictures[index % PICTURES]!
    // A comment segment (ISO/IEC 10918-1, B.2.4.5) makes it another file, and as long as asked.
    const comment = Buffer.alloc(Math.max(16, bytes - picture.length))
    comment.writeUInt16BE(0xfffe)
    comment.writeUInt16BE(comment.length - 2, 2)
    comment.write(String(index), 4)
    await writeFile(
      join(folder, `IMG_${String(index).padStart(5, '0')}.jpg`),
      Buffer.concat([picture.subarray(0, 2), comment, picture.subarray(2)]),
    )
  }
  return folder
}
