// Why a file is refused by its size, whether it is sent or declared.
import type { Failure } from '../image.ts'

export const tooLarge = (maxFileBytes: number): Failure => ({
  code: 'file_too_large',
  error: `The file is larger than the ${maxFileBytes} bytes this server takes (MAX_FILE_BYTES).`,
})
