#!/usr/bin/env node
import minimist from 'minimist';
import { closestWord } from './lib/did-you-mean.ts';
import { isUsageError, UsageError } from './lib/usage-error.ts';

/** A command's options and its module; the module is loaded only when the command runs. */
interface Command {
  readonly usage: string;
  readonly description: string;
  readonly options?: readonly string[];
  readonly flags?: readonly string[];
  /** Their one-letter forms. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** How many arguments it takes at most; default none. */
  readonly maxArguments?: number;
  load(): Promise<{ run(args: minimist.ParsedArgs): Promise<number | undefined> }>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  proxy: {
    usage: 'proxy <listen> <upstreamHost> <upstreamPort> [options]',
    description: 'forward one port in the foreground, without PM2',
    maxArguments: 3,
    options: [
      'engine',
      'hold-ms',
      'connect-timeout-ms',
      'idle-timeout-ms',
      'half-close-timeout-ms',
      'max-connections',
      'allow',
    ],
    load: () => import('./commands/run/proxy.ts'),
  },
  status: {
    usage: 'status [NAME] [--json] [--watch] [--evidence]',
    description: 'what is up, what is not, why, and what to do; with --evidence what the last check saw',
    flags: ['json', 'watch', 'evidence'],
    maxArguments: 1,
    load: () => import('./commands/inspect/status.ts'),
  },
  logs: {
    usage: 'logs [NAME] [-n LINES] [-f]',
    description: "the last lines of the apps' logs (20, or LINES), and with -f those to come",
    options: ['lines'],
    flags: ['follow'],
    aliases: { n: 'lines', f: 'follow' },
    maxArguments: 1,
    load: () => import('./commands/inspect/logs.ts'),
  },
  'check-config': {
    usage: 'check-config [PATH]',
    description: 'every mistake in the config file, and the variables over it',
    maxArguments: 1,
    load: () => import('./commands/inspect/check-config.ts'),
  },
  'alert-test': {
    usage: 'alert-test',
    description: 'send a test to each channel for alerts that .env has, and say what became of it',
    load: () => import('./commands/inspect/alert-test.ts'),
  },
  start: {
    usage: 'start',
    description: 'bring PM2 in line with the config; unchanged proxies keep their connections',
    load: () => import('./commands/service/start.ts'),
  },
  stop: {
    usage: 'stop',
    description: 'take the monitor and the proxies out of PM2',
    load: () => import('./commands/service/stop.ts'),
  },
  uninstall: {
    usage: 'uninstall',
    description: "stop, and out of PM2's saved list; removes the state and says what remains",
    load: () => import('./commands/service/uninstall.ts'),
  },
  'install-logrotate': {
    usage: 'install-logrotate [--print] [--to FILE]',
    description: 'the rule for logrotate, where logrotate looks (root) or beside the state (a user)',
    options: ['to'],
    flags: ['print'],
    load: () => import('./commands/service/install-logrotate.ts'),
  },
  run: {
    usage: 'run <APP>',
    description: 'one proxy of the config, as PM2 runs it: tcp-proxy-PORT or unix-proxy-NAME',
    maxArguments: 1,
    load: () => import('./commands/run/run.ts'),
  },
  monitor: {
    usage: 'monitor',
    description: 'the monitor, as PM2 runs it',
    load: () => import('./commands/run/monitor.ts'),
  },
};

const formatHelp = (): string =>
  [
    'Usage: steadyport <command>',
    '',
    ...Object.values(COMMANDS).map(({ usage, description }) => `  ${usage}\n      ${description}`),
    '',
  ].join('\n');

const describeAlternatives = (typed: string, known: readonly string[]): string => {
  const guess = closestWord(typed, known);
  return guess
    ? `; did you mean "${guess}"?`
    : `; there ${known.length === 0 ? 'are none here' : `is: ${known.join(', ')}`}`;
};

const main = async (argv: readonly string[]): Promise<number | undefined> => {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(formatHelp());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command)
    throw new UsageError(`unknown command "${name}"${describeAlternatives(name, Object.keys(COMMANDS))}`);
  const { options = [], flags = [], aliases = {}, maxArguments = 0 } = command;
  const knownOptions = [...options, ...flags].map((option) => `--${option}`);
  const args = minimist(rest, {
    string: ['_', ...options],
    boolean: ['help', ...flags],
    alias: { h: 'help', ...aliases },
    unknown: (option) => {
      if (!option.startsWith('-')) return true;
      const typed = option.replace(/=.*$/, '');
      throw new UsageError(
        `unknown option "${typed}" of "${name}"${describeAlternatives(typed, knownOptions)}`,
      );
    },
  });
  if (args['help']) {
    process.stdout.write(
      `Usage: steadyport ${command.usage}\n\n${command.description}\n${knownOptions.length > 0 ? `\nOptions: ${knownOptions.join(' ')}\n` : ''}`,
    );
    return 0;
  }
  const extraArgument = args._[maxArguments];
  if (extraArgument !== undefined)
    throw new UsageError(`unexpected argument "${extraArgument}"; expected: steadyport ${command.usage}`);
  return (await command.load()).run(args);
};

/** Node.js's own code for a program that ends while it still waits for something. */
const UNFINISHED_EXIT_CODE = 13;

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
