// The header of one part of a multipart body: the form field it belongs to, and the name of its file.

export interface PartHeader {
  /** Name of the form field; undefined where the part names none. */
  field: string | undefined
  /** As it was sent; undefined where the part is no file by its name. */
  fileName: string | undefined
  isFile: boolean
}

/** As the parser gives it: lower-case names, each with its values, a character for each byte. */
export type RawHeader = Record<string, string[]>

/** Bytes of a header as it was sent, its line ends and colons counted. */
export const headerBytes = (header: RawHeader) =>
  Object.entries(header).reduce((sum, [name, values]) => sum + values.reduce((own, value) => own + name.length + value.length + 4, 0), 0)

/** Null where the part does not say, by a `Content-Disposition: form-data`, what it is (RFC 7578, 4.2). */
export function readPartHeader(header: RawHeader): PartHeader | null {
  const disposition = header['content-disposition']?.[0]
  if (disposition === undefined || !/^[ \t]*form-data[ \t]*(;|$)/i.test(disposition)) return null
  const { name, filename } = parametersOf(disposition)
  if (hasLineBreak(name) || hasLineBreak(filename)) return null
  const type = header['content-type']?.[0]?.split(';', 1)[0]?.trim().toLowerCase()
  return { field: name, fileName: filename, isFile: filename !== undefined || type === 'application/octet-stream' }
}

const hasLineBreak = (text: string | undefined) => text !== undefined && /[\r\n]/.test(text)

// A backslash escapes a quote or another backslash, as RFC 9110, 5.6.4 has it; before anything else it stands for itself, as in the paths that
// old browsers send. What follows a closing quote up to the next semicolon is nobody's.
const PARAMETER = /;[ \t]*([^=;*\s]+)(\*?)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\["\\]?)*)"?[^;]*|([^;]*))/y

/** By their names in lower case; of two with the same name the first counts. */
function parametersOf(disposition: string): Record<string, string> {
  const parameters: Record<string, string> = {}
  for (let at = disposition.indexOf(';'); at !== -1; at = disposition.indexOf(';', at)) {
    PARAMETER.lastIndex = at
    const [parameter = ';', name = '', star, quoted, plain = ''] = PARAMETER.exec(disposition) ?? []
    at += parameter.length
    if (name === '') continue
    const value = quoted === undefined ? plain.trim() : quoted.replace(/\\(["\\])/g, '$1')
    parameters[name.toLowerCase()] ??= (star === '*' ? decodeExtended(value) : null) ?? toText(value)
  }
  return parameters
}

/** UTF-8 (RFC 7578, 5.1), of a character for each byte. */
const toText = (bytes: string) => Buffer.from(bytes, 'latin1').toString('utf8')

/** `utf-8'en'na%C3%AFve` (RFC 8187, 3.2); null for what is not written so. */
function decodeExtended(value: string): string | null {
  const [, charset, encoded = ''] = /^([^']+)'[^']*'(.*)$/s.exec(value) ?? []
  if (charset === undefined) return null
  const bytes = encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  try {
    return new TextDecoder(charset).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return null
  }
}
