import { basename, relative } from 'node:path';
import type { Settings } from '../config/settings.ts';

/** A command in the words in which this one was typed: npm's, the name of the installed program, or its file. */
export const commandLine = (
  command: string,
  { isNpmScript }: Settings,
  ...args: readonly string[]
): string => {
  if (isNpmScript) return ['npm run', command, ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const program = process.argv[1] ?? 'steadyport';
  const isInstalled = basename(program) === 'steadyport';
  return [isInstalled ? 'steadyport' : `node ${relative('', program)}`, command, ...args].join(' ');
};
