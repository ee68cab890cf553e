import minimist from 'minimist';
import { closestWord } from '../lib/did-you-mean.ts';
import { UsageError } from '../lib/usage-error.ts';
import { COMMANDS, type Command } from './table.ts';

/** @throws UsageError when there is no such command */
export const findCommand = (name: string): Command => {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return command;
  throw new UsageError(`unknown command "${name}"${describeAlternatives(name, Object.keys(COMMANDS))}`);
};

/**
 * Parses what follows the command's name. With `--help` any number of arguments will do.
 * @throws UsageError for an option that the command does not have, or for an argument too many
 */
export const parseArguments = (
  name: string,
  command: Command,
  argv: readonly string[],
): minimist.ParsedArgs => {
  const { options = [], flags = [], aliases = {} } = command;
  const args = minimist([...argv], {
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
  const extraArgument = args._[command.maxArguments ?? 0];
  if (extraArgument === undefined || args['help']) return args;
  const hint = command.hintOf ? `; ${command.hintOf(extraArgument)}` : '';
  throw new UsageError(`unexpected argument "${extraArgument}"; expected: ${command.usage}${hint}`);
};

export const optionNames = ({ options = [], flags = [] }: Command): readonly string[] =>
  [...options, ...flags].map((option) => `--${option}`);

/** Every exit code of a command with its meaning, lowest first. */
export const exitCodesOf = ({
  exitCodes = { 0: 'it is done' },
}: Command): readonly (readonly [string, string])[] =>
  Object.entries({ ...exitCodes, 2: 'there is a mistake in the command or in the config' });

/** The end of a message about an unknown word: what was probably meant, or else everything that exists. */
const describeAlternatives = (typed: string, known: readonly string[]): string => {
  const guess = closestWord(typed, known);
  if (guess) return `; did you mean "${guess}"?`;
  return known.length === 0 ? '; there are none here' : `; there is: ${known.join(', ')}`;
};
