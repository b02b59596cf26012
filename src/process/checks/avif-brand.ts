// The first brand of an AVIF, by which its decoder decides whether to open it at all.
import { constants, copyFile, open } from 'node:fs/promises'

/** Those by which libvips 8.18 hands a file to libheif. An image sequence begins with `avis` and has a still image all the same. */
const BRANDS = ['avif', 'mif1', 'msf1']
/** ISO/IEC 14496-12, 4.3: the major brand follows the size and the type of the first box. */
const BRAND_AT = 8

/**
 * A path by which the decoder opens this AVIF: its own, or that of a copy at `copyPath` that says `avif`. The copy shares the blocks of
 * the original where the file system can; it is the caller's to remove.
 */
export async function openableAvif(path: string, copyPath: string): Promise<string> {
  const original = await open(path)
  try {
    const { buffer } = await original.read(Buffer.alloc(4), 0, 4, BRAND_AT)
    if (BRANDS.includes(buffer.toString('latin1'))) return path
  } finally {
    await original.close()
  }
  await copyFile(path, copyPath, constants.COPYFILE_FICLONE)
  const copy = await open(copyPath, 'r+')
  try {
    await copy.write('avif', BRAND_AT, 'latin1')
  } finally {
    await copy.close()
  }
  return copyPath
}
