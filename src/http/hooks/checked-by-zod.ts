// Schemas of requests are Zod's. Said as an option, not afterwards: without it Fastify loads compilers of its own, Ajv with all its parts.
import type { FastifyServerOptions } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'

// Fastify's types know only Ajv's.
const compilersFactory: object = { buildValidator: () => validatorCompiler, buildSerializer: () => serializerCompiler }

export const checkedByZod = { schemaController: { compilersFactory } } satisfies FastifyServerOptions
