#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { findCommand, parseArguments } from './commands/arguments.ts';
import { formatCommandHelp, formatHelp } from './commands/help.ts';
import { isUsageError } from './lib/usage-error.ts';

/** The exit code that Node.js itself uses when a program ends while it still waits for something. */
const UNFINISHED_EXIT_CODE = 13;

/** Parses the command line and runs its command of the table; the exit code, undefined for 0. @throws UsageError */
const main = async ([name, ...rest]: readonly string[]): Promise<number | undefined> => {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(formatHelp());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    process.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  const command = findCommand(name);
  const args = parseArguments(name, command, rest);
  if (args['help']) {
    process.stdout.write(formatCommandHelp(command));
    return 0;
  }
  return (await command.load()).run(args);
};

/** It is the same path from src/ and from dist/. */
const readVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/**
 * Lets a command go on when nobody reads what it writes (`start | head -1`, or a PM2 daemon that has died): what it has begun
 * must not be left half done. One that only goes on showing something ends itself.
 */
const outliveReaders = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
};

const start = async (): Promise<void> => {
  outliveReaders();
  process.exitCode = UNFINISHED_EXIT_CODE;
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`steadyport: ${error.message}\n`);
    process.exitCode = 2;
  }
};

void start();
