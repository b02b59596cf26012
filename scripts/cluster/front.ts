// nginx, the cluster's one address: it shares requests among the API servers.
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { SETTINGS, type EngineOptions } from './engines.ts'
import { bound, HOST } from './place.ts'
import type { Program } from './supervise.ts'

/** nginx on a port, before API servers on others. */
export function nginx({ place, programs, port, apiPorts }: EngineOptions & { apiPorts: number[] }): Program {
  const folder = place.subfolder('nginx', { forEngine: true })
  for (const file of ['http.conf', 'server.conf']) copyFileSync(join(SETTINGS, 'nginx', file), join(folder, file))
  const main = place.write(join(folder, 'nginx.conf'), configuration(port, apiPorts))
  const args = ['-p', `${folder}/`, '-c', main, '-e', 'stderr']
  return {
    name: 'nginx',
    command: bound([programs.nginx, ...args], { setpriv: programs.setpriv, place, deathSignal: 'TERM', forEngine: true, port }),
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: folder,
    logFile: place.logFile('nginx'),
    // Fast: watchers would hold a graceful stop up for ever.
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 5_000,
    isReady: async () => (await fetch(`http://${HOST}:${port}/healthz`)).ok,
  }
}

/** Paths are relative to the prefix. What this and compose.conf have in common is in http.conf and server.conf. */
function configuration(port: number, apiPorts: number[]): string {
  return `daemon off;
worker_processes auto;
pid nginx.pid;
error_log stderr warn;
events {
  worker_connections 4096;
}
http {
  include http.conf;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path temporary-${name};`).join('\n  ')}
  proxy_cache_path media levels=1:2 keys_zone=media:16m max_size=1g inactive=1h use_temp_path=off;
  upstream calotype {
    zone calotype 256k;
    least_conn;
    ${apiPorts.map((apiPort) => `server ${HOST}:${apiPort} max_fails=1 fail_timeout=2s;`).join('\n    ')}
    keepalive 64;
    # Shorter than the API servers' own 72 s, so that no request goes into a connection that is being closed.
    keepalive_timeout 60s;
  }
  server {
    listen ${HOST}:${port} backlog=4096;
    include server.conf;
  }
}
`
}
