import { type ExecFileException, execFile } from 'node:child_process';
import { join } from 'node:path';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built `steadyport`, with only PATH of this process's environment.
 * @returns its output and its exit code, which is -1 when a signal ended it
 */
export const steadyport = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> =>
  new Promise((done) => {
    const finished = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    execFile(
      process.execPath,
      [join(process.cwd(), 'dist/cli.js'), ...args],
      { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 120_000 },
      finished,
    );
  });
