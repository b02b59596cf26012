// Lists in requests: counted before anything in them is looked at, and looked at only up to the first thing that is wrong.
import { z } from 'zod'

/** What the API description says of the items; nobody else asks. */
export function schemaOf(item: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(item, { io: 'input' })
  return schema
}

/**
 * What `z.array(item)` takes, of `least` to `most`. Zod itself would make a finding of each of the millions of things that can be wrong in
 * one body: minutes, and all of the memory.
 */
export function listOf<T, Given>(item: z.ZodType<T, Given>, most: number, expected: string, least = 0) {
  // The type is what clients should send; it checks nothing.
  return z
    .custom<Given[]>()
    .meta({
      type: 'array',
      ...(least > 0 && { minItems: least }),
      maxItems: most,
      get items() {
        return schemaOf(item)
      },
    })
    .transform((value: unknown, context): T[] => {
      const refuse = (message: string, path: PropertyKey[] = []) => {
        context.addIssue({ code: 'custom', message, path: [...path] })
        return z.NEVER
      }
      if (!Array.isArray(value)) return refuse(expected)
      if (value.length < least) return refuse(`${expected}, at least ${least}`)
      if (value.length > most) return refuse(`At most ${most} in a request`)
      const list: T[] = []
      for (const [at, one] of value.entries()) {
        const parsed = item.safeParse(one)
        if (parsed.success) list.push(parsed.data)
        else return refuse(parsed.error.issues[0]!.message, [at, ...parsed.error.issues[0]!.path])
      }
      return list
    })
}
