// The colour profile of an original, read just far enough to see that there is nothing to convert.

/** What the profiles of cameras, editors and systems call it. Others with sRGB in their name are linear, or tinkered with. */
const KNOWN = /sRGB IEC61966-2|sRGB built-in|GIMP built-in sRGB|sRGB Gamut with sRGB Transfer|(?<![ \w-])sRGB$/

/**
 * Whether an ICC profile calls itself sRGB, as most do. To convert from sRGB to sRGB changes nothing and takes longer than all else:
 * 105 of 201 ms CPU of decoding a JPEG of 6 MP. Layout: ICC.1:2010, 7.2 header, 7.3 tag table, 10.13 multiLocalizedUnicodeType, and
 * ICC.1:2001, 6.5.17 textDescriptionType.
 */
export function isSrgb(profile: Buffer | undefined): boolean {
  if (!profile || profile.length < 132 || profile.toString('latin1', 16, 20) !== 'RGB ') return false
  const end = Math.min(132 + profile.readUInt32BE(128) * 12, profile.length - 11)
  for (let tag = 132; tag < end; tag += 12) {
    if (profile.toString('latin1', tag, tag + 4) !== 'desc') continue
    const start = profile.readUInt32BE(tag + 4)
    const text = profile.toString('latin1', start, start + profile.readUInt32BE(tag + 8))
    // Version 2 has ASCII here, version 4 UTF-16: without its zeros both read alike.
    return KNOWN.test(text.replaceAll('\0', ''))
  }
  return false
}
