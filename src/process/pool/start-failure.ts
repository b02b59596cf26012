// Why a child process could not be started, in a sentence for whoever runs the server: what is wrong, and what to do about it.

/** The first that fits. What spawn says names an error of the system; what a child says is its exit and the end of its stderr. */
const CAUSES: [said: RegExp, sentence: string][] = [
  [
    /\bEAGAIN\b|uv_thread_create|pthread_create|creating thread|^SIGABRT$/,
    'the limit of processes and threads is reached. Raise it (ulimit -u; LimitNPROC= and TasksMax= of systemd; the pids limit of the container), or lower WORKER_CONCURRENCY.',
  ],
  [/\b(EMFILE|ENFILE)\b/, 'the limit of open files is reached. Raise it (ulimit -n; LimitNOFILE= of systemd).'],
  [
    /\bENOMEM\b|^SIGKILL|out of memory/i,
    'it was refused memory, or killed for want of it. Give the server more memory, or lower WORKER_CONCURRENCY.',
  ],
  [/^SIGSYS/, 'a system call filter (seccomp; SystemCallFilter= of systemd) kills it. Allow the system calls that Node.js makes.'],
  [
    /Could not load the "sharp" module|Cannot find (module|package)/,
    'a library it needs, sharp above all, is missing or does not fit this machine. Install the dependencies on this machine again (npm ci).',
  ],
  [
    // A shell exits with 126 and 127 where it can't execute a program.
    /^spawn .*\b(ENOENT|EACCES|EPERM|ENOEXEC)\b|^exit code 12[67]\b/,
    'a program it is started with is missing or may not be executed. If Node.js or Calotype was updated, restart the server.',
  ],
  [
    /^not ready within/,
    'it does not become ready in time. The machine may be overloaded, or a limit of threads nearly reached (ulimit -u; TasksMax= of systemd; the pids limit of the container).',
  ],
]

/** `reason`: the message of spawn, or the exit code or signal of the child and what it wrote last. Contains no path and nothing else of it. */
export function explainStartFailure(reason: string): string {
  const sentence = CAUSES.find(([said]) => said.test(reason))?.[1] ?? 'it ended before it was ready. The log has what it wrote last.'
  return `No image can be processed, as no child process can be started: ${sentence} Images wait and are processed once this is mended.`
}
