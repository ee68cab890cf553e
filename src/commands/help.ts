import { exitCodesOf, optionNames } from './arguments.ts';
import { programName } from './command-line.ts';
import { COMMANDS, type Command } from './table.ts';

/** The help on all commands, which calls the program as it was called. */
export const formatHelp = (): string =>
  [
    `Usage: ${programName()} <command>`,
    '',
    ...Object.values(COMMANDS).map(({ usage, description }) => `  ${usage}\n      ${description}`),
    '',
    '<command> --help has the options and exit codes of a command, --version the version of this program.',
    'In its folder npm runs most of them too, with options after "--": npm start, npm run status -- --json.',
    '',
  ].join('\n');

export const formatCommandHelp = (command: Command): string => {
  const names = optionNames(command);
  const optionsLine = names.length > 0 ? `\nOptions: ${names.join(' ')}\n` : '';
  const exitCodes = exitCodesOf(command).map(([code, meaning]) => `  ${code}  ${meaning}\n`);
  return `Usage: ${programName()} ${command.usage}\n\n${command.description}\n${optionsLine}\nExit codes:\n${exitCodes.join('')}`;
};
