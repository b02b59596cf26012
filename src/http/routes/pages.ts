// The web app over HTTP: its files, and the page that is the same at every address of the app.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance, FastifyReply } from 'fastify'

export interface PagesDeps {
  /** Where the app was built to: `index.html` and `assets/`. It may be built, or built anew, while the server runs. */
  folder: string
  /** Where images may come from besides us: the store of a cluster, if browsers fetch from it. */
  imageOrigins: string[]
  /** The page refuses larger files before they are read. */
  maxFileBytes: number
  /** Of an open server, the page need not ask who it is. */
  auth: 'open' | 'required'
}

const ADMIN_SECTIONS = ['images', 'images/:id', 'batches', 'failures', 'workers', 'users', 'keys', 'audit', 'settings']
const ADDRESSES = [
  ...['/', '/gallery', '/gallery/:id', '/batches/:id', '/login', '/setup', '/account', '/admin', '/api/docs'],
  ...ADMIN_SECTIONS.map((section) => `/admin/${section}`),
]

// A worker of the page goes by the policy of its own file: the one that hashes compiles WebAssembly.
const FILE_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'"

const NOT_BUILT =
  'The web page has not been built yet. Run `npm run build` in the clone, then load this page again; the API is ready without it.\n'

/** Adds the addresses of the app, and `/assets/`. */
export async function pageRoutes(fastify: FastifyInstance, { folder, imageOrigins, maxFileBytes, auth }: PagesDeps): Promise<void> {
  const headers = pageHeaders(imageOrigins)
  const facts = `<meta name="max-file-bytes" content="${maxFileBytes}" /><meta name="auth" content="${auth}" />`

  // Of the files too, whose routes the package adds.
  fastify.addHook('onRoute', (route) => {
    route.config = { ...route.config, access: 'public' }
    route.schema = { ...route.schema, hide: true }
  })

  // A name of a file holds the hash of what is in it.
  await fastify.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    index: false,
    immutable: true,
    maxAge: '365d',
    preCompressed: true,
    decorateReply: false,
    // The folder may come later.
    suppressWarning: true,
    setHeaders: (reply) => void reply.header('vary', 'accept-encoding').header('content-security-policy', FILE_POLICY),
  })

  const sendPage = async (_request: unknown, reply: FastifyReply) => {
    // Read each time: it is small, and names the files of the build that is there now.
    const page = await readFile(join(folder, 'index.html'), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    reply.headers(headers)
    if (page === null) return reply.code(503).type('text/plain; charset=utf-8').send(NOT_BUILT)
    return reply.type('text/html; charset=utf-8').send(page.replace('</head>', `${facts}</head>`))
  }
  for (const url of ADDRESSES) fastify.get(url, sendPage)
}

function pageHeaders(imageOrigins: string[]): Record<string, string> {
  const policy = {
    'default-src': ["'self'"],
    'img-src': ["'self'", 'blob:', 'data:', ...imageOrigins],
    'object-src': ["'none'"],
    'base-uri': ["'none'"],
    'form-action': ["'self'"],
    'frame-ancestors': ["'none'"],
  }
  return {
    'content-security-policy': Object.entries(policy)
      .map(([name, sources]) => `${name} ${sources.join(' ')}`)
      .join('; '),
    'cache-control': 'no-cache',
  }
}
