// How the page is built: Svelte and Tailwind into web/dist, with what the server sends compressed beforehand.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig, type Plugin } from 'vite'

/** The server that `npm run dev` starts beside Vite. */
const API = `http://127.0.0.1:${process.env.PORT || 8000}`

const FIRST_THEME = 'src/shell/first-theme.js'

/** A script that has to run before the first paint is neither a module nor, by the page's policy, inline. */
function firstTheme(): Plugin {
  return {
    name: 'first-theme',
    buildStart() {
      if (this.environment.mode !== 'build') return
      this.emitFile({ type: 'asset', name: 'first-theme.js', source: readFileSync(join(import.meta.dirname, FIRST_THEME)) })
    },
    transformIndexHtml(_html, { bundle }) {
      const built = Object.values(bundle ?? {}).find(({ fileName }) => /first-theme-[^/]*\.js$/.test(fileName))
      return [{ tag: 'script', attrs: { src: `/${built?.fileName ?? FIRST_THEME}` }, injectTo: 'head-prepend' }]
    },
  }
}

/** Below this, headers cost more than is saved. */
const SMALLEST_BYTES = 1_024

/** Beside each file its brotli and gzip forms, as @fastify/static looks for them. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    // Once they are as they will be: Vite puts names into chunks until the end.
    writeBundle({ dir }, bundle) {
      for (const { fileName } of Object.values(bundle)) {
        const path = join(dir!, fileName)
        const source = readFileSync(path)
        if (!/\.(js|css|svg)$/.test(fileName) || source.length < SMALLEST_BYTES) continue
        writeFileSync(`${path}.br`, brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: source.length } }))
        writeFileSync(`${path}.gz`, gzipSync(source, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte(), tailwindcss(), firstTheme(), precompress()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: { '/api': API, '/media': API, '/ws': { target: API, ws: true } },
  },
})
