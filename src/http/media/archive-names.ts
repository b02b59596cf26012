// Names of the files in an archive: each once, and such that any system can unpack them where it was told to.
import { downloadName } from './media.ts'

// https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file: characters, ends and names that Windows does not take.
const REFUSED_CHARACTERS = /[<>:"|?*]/g
const REFUSED_ENDS = /[. ]+$/
const DEVICES = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)/i

/**
 * Gives each file the name it has in the archive: its own, made safe; a second `photo.jpg` is `photo (2).jpg`. Names that differ by
 * case or by the composition of letters alone are the same to some systems, so they are here. Keeps what it gave: some 150 bytes each.
 */
export function createArchiveNames(): (name: string) => string {
  const given = new Set<string>()
  /** The last number of a name that came before, so that the same name a thousand times is not a million tries. */
  const numbers = new Map<string, number>()
  const sameAs = (name: string) => name.normalize('NFC').toLowerCase()

  function isFree(name: string): boolean {
    const before = given.size
    return given.add(sameAs(name)).size > before
  }

  return (name) => {
    const safe = safeName(name)
    if (isFree(safe)) return safe
    const [, stem = '', extension = ''] = /^(.+?)(\.[^.]{1,10})?$/su.exec(safe) ?? []
    const key = sameAs(safe)
    for (let number = (numbers.get(key) ?? 1) + 1; ; number++) {
      const numbered = `${stem} (${number})${extension}`
      if (!isFree(numbered)) continue
      numbers.set(key, number)
      return numbered
    }
  }
}

function safeName(name: string): string {
  const plain = downloadName(name).replace(REFUSED_CHARACTERS, '_').replace(REFUSED_ENDS, '')
  return (DEVICES.test(plain) ? `_${plain}` : plain) || 'image'
}
