import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { needs, needsProgram } from '../requirements.ts';

/** The folders and files that are the project for whoever runs it. */
const SHIPPED = ['dist', 'package.json', 'ecosystem.config.js'];

/** For `skip`: the processes are found by /proc, and hard links are made by GNU's cp. */
export const needsProjectCopy = (): false | string =>
  needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)', needsProgram('cp', 'coreutils'));

/**
 * Copies the built project, as another checkout of it.
 * @param packages `own`: with packages of its own, as hard links; `shared`: with a link to this checkout's. Default: shared
 * @returns the command line's path
 */
export const copyProject = (folder: string, packages: 'own' | 'shared' = 'shared'): string => {
  mkdirSync(folder, { recursive: true });
  for (const name of SHIPPED) cpSync(name, join(folder, name), { recursive: true });
  if (packages === 'shared') symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('cp', ['-al', 'node_modules', folder]);
  return join(folder, 'dist/cli.js');
};

/** Changes the code of a copy, which does the same as before. */
export const changeCode = (cli: string): void => appendFileSync(cli, '\n// Another version.\n');

/** The folder that a process runs in. */
export const workingFolderOf = (pid: number | null): string => readlinkSync(`/proc/${pid}/cwd`);
