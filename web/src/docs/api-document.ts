// The API description as the page shows it: its calls by their tags, each with examples as text.

interface Content {
  example?: unknown
  examples?: Record<string, { $ref: string }>
}

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  description?: string
  example?: string | number
  schema?: { type?: string; enum?: string[]; default?: unknown }
}

interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Content> }
  responses: Record<string, { description: string; content?: Record<string, Content> }>
}

export interface ApiDocument {
  info: { description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { examples: Record<string, { summary: string }> }
}

export interface Call extends Operation {
  method: string
  path: string
  /** What was sent, for a person; null where there is no body. */
  request: { type: string; text: string } | null
  answers: { status: string; description: string; text: string | null }[]
  errors: { status: string; code: string; sentence: string }[]
}

export interface Section {
  name: string
  description: string
  calls: Call[]
}

export function sectionsOf({ tags, paths, components }: ApiDocument): Section[] {
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => toCall(method, path, operation, components.examples)),
  )
  return tags.map((tag) => ({ ...tag, calls: calls.filter(({ tags }) => tags.includes(tag.name)) }))
}

function toCall(method: string, path: string, operation: Operation, sentences: Record<string, { summary: string }>): Call {
  const body = Object.entries(operation.requestBody?.content ?? {})[0]
  const responses = Object.entries(operation.responses)
  return {
    ...operation,
    method: method.toUpperCase(),
    path,
    request: body ? { type: body[0], text: toText(body[1].example) ?? '' } : null,
    answers: responses
      .filter(([status]) => Number(status) < 400)
      .map(([status, { description, content = {} }]) => ({ status, description, text: toText(Object.values(content)[0]?.example) })),
    errors: responses
      .filter(([status]) => Number(status) >= 400)
      .flatMap(([status, { content = {} }]) =>
        Object.keys(Object.values(content)[0]?.examples ?? {}).map((code) => ({
          status,
          code,
          sentence: sentences[code]?.summary ?? '',
        })),
      ),
  }
}

const toText = (example: unknown): string | null => (example === undefined ? null : JSON.stringify(example, null, 2))
