import { basename, relative } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { npmCommand, quoteForShell } from '../lib/command-lines.ts';

/**
 * A command in the words in which this one was typed: those of the demo, npm's, the name of the installed program, or its
 * file.
 */
export const commandLine = (
  { commandPrefix, isNpmScript }: Pick<Settings, 'commandPrefix' | 'isNpmScript'>,
  command: string,
  ...args: readonly string[]
): string => {
  if (commandPrefix === undefined && isNpmScript) return npmCommand(command, ...args);
  return [commandPrefix ?? programName(), command, ...args].join(' ');
};

/** This program as it is called in this folder: "steadyport" where it is on the PATH, otherwise "node dist/cli.js". */
export const programName = (): string => {
  const program = process.argv[1] ?? 'steadyport';
  return basename(program) === 'steadyport' ? 'steadyport' : `node ${quoteForShell(relative('', program))}`;
};
