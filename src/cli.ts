#!/usr/bin/env node
import minimist from 'minimist';
import { COMMANDS, type Command } from './commands/table.ts';
import { closestWord } from './lib/did-you-mean.ts';
import { isUsageError, UsageError } from './lib/usage-error.ts';

/** The exit code that Node.js itself uses when a program ends while it still waits for something. */
const UNFINISHED_EXIT_CODE = 13;

/** Parses the command line and runs its command of the table; the exit code, undefined for 0. @throws UsageError */
const main = async ([name, ...rest]: readonly string[]): Promise<number | undefined> => {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(formatHelp());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command)
    throw new UsageError(`unknown command "${name}"${describeAlternatives(name, Object.keys(COMMANDS))}`);
  const args = parseArguments(name, command, rest);
  if (args['help']) {
    process.stdout.write(formatCommandHelp(command));
    return 0;
  }
  const extraArgument = args._[command.maxArguments ?? 0];
  if (extraArgument !== undefined)
    throw new UsageError(`unexpected argument "${extraArgument}"; expected: steadyport ${command.usage}`);
  return (await command.load()).run(args);
};

/** @throws UsageError for an option that the command does not have */
const parseArguments = (name: string, command: Command, argv: string[]): minimist.ParsedArgs => {
  const { options = [], flags = [], aliases = {} } = command;
  return minimist(argv, {
    // An argument stays the text that was typed: minimist would make a number of it.
    string: ['_', ...options],
    boolean: ['help', ...flags],
    alias: { h: 'help', ...aliases },
    unknown: (argument) => {
      if (!argument.startsWith('-')) return true;
      const option = argument.replace(/=.*$/, '');
      throw new UsageError(
        `unknown option "${option}" of "${name}"${describeAlternatives(option, optionNames(command))}`,
      );
    },
  });
};

const optionNames = ({ options = [], flags = [] }: Command): readonly string[] =>
  [...options, ...flags].map((option) => `--${option}`);

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
  return `Usage: steadyport ${command.usage}\n\n${command.description}\n${optionsLine}`;
};

/** The end of a message about an unknown word: what was probably meant, or else everything that exists. */
const describeAlternatives = (typed: string, known: readonly string[]): string => {
  const guess = closestWord(typed, known);
  if (guess) return `; did you mean "${guess}"?`;
  return known.length === 0 ? '; there are none here' : `; there is: ${known.join(', ')}`;
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
