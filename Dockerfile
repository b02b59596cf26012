# syntax=docker/dockerfile:1
# Calotype for a cluster: one image, run as `serve` or as `worker`. The stage `pgbouncer` is the pooler of compose.yml.

# The same package as `npm run cluster` runs, so that the tests speak for it; PgBouncer has no official image.
FROM debian:bookworm-slim AS pgbouncer
# Debian serves one version of a package, the newest of its release: a pinned one would be gone with the first security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends pgbouncer \
    && rm -rf /var/lib/apt/lists/*
USER 65534:65534
EXPOSE 6432
CMD ["/usr/sbin/pgbouncer", "/etc/calotype/main.ini"]

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No package of these has a script of its own to run; sharp brings its binary in the package.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The web app needs the development packages to be built, and none of them to be served.
FROM node:24-slim AS page
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/build-page.ts ./scripts/
COPY web ./web
RUN node scripts/build-page.ts

FROM node:24-slim AS calotype
# UV_THREADPOOL_SIZE: hashing, syncing and reading files share the pool, which must be sized before Node starts. NODE_OPTIONS: bin/run says why.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=16 \
    NODE_OPTIONS=--max-semi-space-size=16 \
    HOST=0.0.0.0 \
    PORT=8000 \
    WORKER_HOST=0.0.0.0 \
    WORKER_PORT=8001 \
    DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY src ./src
COPY --from=page /app/web/dist ./web/dist
# A volume that is made from this folder belongs to the user who writes there.
RUN install -d -o node -g node -m 0750 /data
USER 1000:1000
VOLUME /data
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# Of whichever of the two runs here.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "const ok = (port) => fetch(`http://127.0.0.1:${port}/healthz`).then((r) => r.ok || Promise.reject()); Promise.any([ok(process.env.PORT), ok(process.env.WORKER_PORT)]).catch(() => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "src/cli.ts"]
CMD ["serve"]
