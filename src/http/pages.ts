// The pages.
import type { FastifyInstance } from 'fastify'

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

const layout = (title: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
body { max-width: 40rem; margin: 4rem auto; padding: 0 1.25rem }
h1 { font-weight: 600; letter-spacing: -.02em }
pre { overflow-x: auto; padding: 1rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: .5rem }
form { display: grid; gap: .75rem; margin: 1.5rem 0 }
button { justify-self: start; font: inherit; padding: .4rem 1rem }
</style>
</head>
<body>${body}</body>
</html>
`

const home = layout(
  'Calotype',
  `<h1>Calotype</h1>
<p>Send photographs; they are kept, developed and served.</p>
<form method="post" action="/api/async/batch/upload" enctype="multipart/form-data">
<label for="images">Images (JPEG, PNG, WebP, AVIF, GIF)</label>
<input id="images" name="images" type="file" multiple required accept="image/jpeg,image/png,image/webp,image/avif,image/gif">
<button>Upload</button>
</form>
<p>Or from a shell:</p>
<pre>curl -F image=@photo.jpg http://localhost:8000/api/upload
curl -F images=@one.jpg -F images=@two.jpg http://localhost:8000/api/async/batch/upload
curl http://localhost:8000/api/list</pre>
<p><a href="/api/list?limit=100">The newest images</a> as JSON.</p>`,
)

const admin = layout(
  'Calotype: administration',
  `<h1>Administration</h1>
<p>There is no administration by browser in this version. The command line has what there is: <code>npm run -s calotype -- --help</code>.</p>`,
)

/** Adds `/` and `/admin`. */
export async function pageRoutes(fastify: FastifyInstance): Promise<void> {
  fastify.get('/', async (_request, reply) => reply.headers(HEADERS).send(home))
  fastify.get('/admin', async (_request, reply) => reply.headers(HEADERS).send(admin))
}
