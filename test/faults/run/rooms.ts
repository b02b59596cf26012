// Places of limited size for the fault tests: a file system of so many bytes, a memory of so many; each says what it needs, and goes.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk extends Disposable {
  folder: string
  /** Leaves so many bytes free, roughly. */
  fill(leftBytes: number): void
  /** Leaves nothing, also while others write. */
  fillUp(): void
  /** Makes room again. */
  free(): void
}

const PIECES_BYTES = [2 ** 20, 2 ** 12, 1]

/** A tmpfs of its own. Throws, with what to do, where it may not be mounted. */
export function mountSmallDisk(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-disk-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0777`, 'tmpfs', folder], { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(folder, { recursive: true })
    throw new Error(`A small disk can't be mounted (${stderr.trim()}). Run it as root: sudo npm run test:faults`)
  }
  const unmount = () => {
    spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', unmount)
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill(leftBytes) {
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)))
    },
    fillUp() {
      const file = openSync(ballast, 'a')
      for (const bytes of PIECES_BYTES) {
        try {
          const piece = Buffer.alloc(bytes)
          for (;;) writeSync(file, piece)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        }
      }
      closeSync(file)
    },
    free: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]() {
      process.off('exit', unmount)
      unmount()
    },
  }
}

export interface SmallMemory extends Disposable {
  /** Goes before the command that is to live in it. */
  through: string[]
  /** Processes that the kernel killed for want of memory. */
  killed(): number
  peakBytes(): number
}

const V1 = '/sys/fs/cgroup/memory'
const V2 = '/sys/fs/cgroup'

/** A control group of memory, version 2 or 1, whichever this system has. Throws, with what to do, where none can be made. */
export function makeSmallMemory(bytes: number): SmallMemory {
  const isV2 = existsSync(join(V2, 'cgroup.controllers')) && readFileSync(join(V2, 'cgroup.subtree_control'), 'utf8').includes('memory')
  // Of the first version below the group that this process is in, so that its limits hold as well.
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? ''
  const parent = isV2 ? V2 : existsSync(join(V1, own)) ? join(V1, own) : V1
  const group = join(parent, `calotype-test-${process.pid}`)
  const limit = isV2
    ? [
        ['memory.max', bytes],
        ['memory.swap.max', 0],
      ]
    : [['memory.limit_in_bytes', bytes]]
  try {
    mkdirSync(group)
    for (const [name, value] of limit) writeFileSync(join(group, String(name)), String(value))
  } catch (error) {
    throw new Error(`A control group of memory can't be made (${(error as Error).message}). Run it as root: sudo npm run test:faults`, {
      cause: error,
    })
  }
  const remove = () => {
    // Its processes are gone a moment before it knows.
    for (let tries = 0; tries < 50 && existsSync(group); tries++) {
      try {
        rmdirSync(group)
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
      }
    }
  }
  process.once('exit', remove)
  const read = (name: string) => readFileSync(join(group, name), 'utf8')
  return {
    through: ['/bin/sh', '-c', `echo $$ > ${join(group, 'cgroup.procs')} && exec "$@"`, 'sh'],
    killed: () => Number(/^oom_kill (\d+)$/m.exec(read(isV2 ? 'memory.events' : 'memory.oom_control'))?.[1] ?? 0),
    peakBytes: () => Number(read(isV2 ? 'memory.peak' : 'memory.max_usage_in_bytes')),
    [Symbol.dispose]() {
      process.off('exit', remove)
      remove()
    },
  }
}
