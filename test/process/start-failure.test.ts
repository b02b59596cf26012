// What whoever runs the server is told when no child process can be started: the cause and the remedy, and nothing of what the child wrote.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainStartFailure } from '../../src/process/pool/start-failure.ts'

const REASONS: [reason: string, sentence: RegExp][] = [
  ['spawn /usr/bin/nice EAGAIN', /limit of processes and threads.*ulimit -u.*WORKER_CONCURRENCY/],
  ['SIGABRT: node[1]: pthread_create: Resource temporarily unavailable', /limit of processes and threads/],
  [
    'SIGABRT: #  /opt/node[1]: at ../src/node_platform.cc:109\n  #  Assertion failed: (0) == (uv_thread_create(…))',
    /processes and threads/,
  ],
  ['SIGABRT', /limit of processes and threads/],
  ['Error: glib: Error creating thread: Resource temporarily unavailable', /limit of processes and threads/],
  ['spawn /opt/node EMFILE', /open files.*ulimit -n/],
  ['spawn ENOMEM', /memory/],
  ['SIGKILL', /memory/],
  ['SIGSYS', /system call filter/],
  ['exit code 1: /opt/sharp.js:121\nError: Could not load the "sharp" module using the linux-x64 runtime', /npm ci/],
  ["exit code 1: Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'sharp' imported from /opt/decoder.ts", /npm ci/],
  ['spawn /opt/node ENOENT', /missing or may not be executed.*restart/],
  ['exit code 127: sh: 1: exec: /opt/node: not found', /missing or may not be executed/],
  ['not ready within 30000 ms', /does not become ready in time/],
  ['exit code 7: secret', /ended before it was ready\. The log/],
]

for (const [reason, expected] of REASONS) {
  test(JSON.stringify(reason.slice(0, 60)), () => {
    const sentence = explainStartFailure(reason)
    assert.match(sentence, expected)
    assert.match(sentence, /^No image can be processed, .* Images wait and are processed once this is mended\.$/)
    assert.doesNotMatch(sentence, /\/opt|secret/)
  })
}
