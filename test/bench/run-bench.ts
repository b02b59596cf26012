// Runs a bench as its npm script does.
import { execFile } from 'node:child_process'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, '../../bench')

export function bench(file: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = ['--disable-warning=ExperimentalWarning', join(FOLDER, file), ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }))
  })
}
