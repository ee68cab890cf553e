#!/usr/bin/env node
import { exitCodesOf, findCommand, optionNames, parseArguments } from './commands/arguments.ts';
import { COMMANDS, type Command } from './commands/table.ts';
import { isUsageError } from './lib/usage-error.ts';

/** The exit code that Node.js itself uses when a program ends while it still waits for something. */
const UNFINISHED_EXIT_CODE = 13;

/** Parses the command line and runs its command of the table; the exit code, undefined for 0. @throws UsageError */
const main = async ([name, ...rest]: readonly string[]): Promise<number | undefined> => {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(formatHelp());
    return name === undefined ? 2 : 0;
  }
  const command = findCommand(name);
  const args = parseArguments(name, command, rest);
  if (args['help']) {
    process.stdout.write(formatCommandHelp(command));
    return 0;
  }
  return (await command.load()).run(args);
};

const formatHelp = (): string =>
  [
    'Usage: steadyport <command>',
    '',
    ...Object.values(COMMANDS).map(({ usage, description }) => `  ${usage}\n      ${description}`),
    '',
  ].join('\n');

const formatCommandHelp = (command: Command): string => {
  const names = optionNames(command);
  const optionsLine = names.length > 0 ? `\nOptions: ${names.join(' ')}\n` : '';
  const exitCodes = exitCodesOf(command).map(([code, meaning]) => `  ${code}  ${meaning}\n`);
  return `Usage: steadyport ${command.usage}\n\n${command.description}\n${optionsLine}\nExit codes:\n${exitCodes.join('')}`;
};

const start = async (): Promise<void> => {
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
