// What the declarations of media say for the API description: the bytes of renditions and originals.
import { EXAMPLE_IDS } from '../../api/common.ts'
import { FORMATS } from '../../image.ts'
import { PRESETS, type Preset } from '../../rendition/presets.ts'
import { file, nothing } from '../answers.ts'

export const mediaHeaders = {
  Range: { description: 'One range of bytes', example: 'bytes=0-1023' },
  'If-None-Match': { description: 'The ETag of what is there already', example: '"5f3c9a0e41d2b87c6f50a1e2d3948b7c"' },
}

export const mediaAnswers = (type: string) => ({
  200: file('The bytes', type, { ETag: 'For If-None-Match', 'Accept-Ranges': 'bytes' }),
  206: file('The range', type, { 'Content-Range': 'Which bytes of how many' }),
  302: nothing('The store has it, at this address', { Location: 'Good for some minutes' }),
  304: nothing('It is what you have'),
})

const SUMMARIES: Record<string, string> = { image: 'The developed image', thumbnail: 'The thumbnail, a WebP of at most 320 px' }

/** Of the endpoint that serves the renditions of a preset. */
export function describeRenditions(name: string) {
  const { format }: Preset = (PRESETS as Record<string, Preset>)[name] ?? PRESETS.image
  const { type, extension } = FORMATS[format === 'same' ? 'jpeg' : format]
  return {
    tag: 'Media',
    summary: SUMMARIES[name] ?? `The rendition of the preset "${name}"`,
    description:
      'The address is the one an image names. Answers a single byte range, and 302 to the store of a cluster where browsers may fetch from it. Where media are private (MEDIA_ACCESS), who may not see the image gets 404.',
    examples: { file: `${EXAMPLE_IDS.image}-v1.${extension}` },
    headers: mediaHeaders,
    answers: mediaAnswers(type),
    errors: ['range_not_satisfiable', 'rendition_missing', 'storage_unavailable'],
  } as const
}
