// Why something was not done, for a person.
import { Problem } from '../api/problem.ts'

export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message
  return 'Something went wrong. Load the page again and try once more.'
}
