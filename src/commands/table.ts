/**
 * The room commands: what a person, npm or PM2 can run. A command is one file, and one row of the table here.
 * inspect/ shows the state and changes nothing, service/ changes what PM2 runs, run/ has the processes that PM2 runs.
 */

import type { ParsedArgs } from 'minimist';
import { PROXY_OPTIONS } from './run/proxy-options.ts';

/** One command of the command line. */
export interface Command {
  readonly usage: string;
  readonly description: string;
  /** The names of the options that take a value, without the dashes. Default: none. */
  readonly options?: readonly string[];
  /** The names of the options without a value. Default: none. */
  readonly flags?: readonly string[];
  /** The one-letter forms of options and flags. Default: none. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The maximum number of arguments. Default: none. */
  readonly maxArguments?: number;
  /** Loads the command's file, which is a program of its own in dist/ (scripts/build.js finds it by this import). */
  load(): Promise<{ run(args: ParsedArgs): Promise<number | undefined> }>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  proxy: {
    usage: 'proxy <listen> <upstreamHost> <upstreamPort> [options]',
    description: 'forward one port in the foreground, without PM2',
    options: Object.keys(PROXY_OPTIONS),
    maxArguments: 3,
    load: () => import('./run/proxy.ts'),
  },
  status: {
    usage: 'status [NAME] [--json] [--watch] [--evidence]',
    description:
      'what is up, what is not, why, and what to do; with --evidence the findings of the last check',
    flags: ['json', 'watch', 'evidence'],
    maxArguments: 1,
    load: () => import('./inspect/status.ts'),
  },
  logs: {
    usage: 'logs [NAME] [-n LINES] [-f]',
    description: "the last lines of the apps' logs (20, or LINES), and with -f those to come",
    options: ['lines'],
    flags: ['follow'],
    aliases: { n: 'lines', f: 'follow' },
    maxArguments: 1,
    load: () => import('./inspect/logs.ts'),
  },
  'check-config': {
    usage: 'check-config [PATH]',
    description: 'every mistake in the config file, and the variables over it',
    maxArguments: 1,
    load: () => import('./inspect/check-config.ts'),
  },
  'alert-test': {
    usage: 'alert-test',
    description: 'send a test to each channel for alerts that .env has, and print the result',
    load: () => import('./inspect/alert-test.ts'),
  },
  start: {
    usage: 'start',
    description: 'bring PM2 in line with the config; unchanged proxies keep their connections',
    load: () => import('./service/start.ts'),
  },
  stop: {
    usage: 'stop',
    description: 'take the monitor and the proxies out of PM2',
    load: () => import('./service/stop.ts'),
  },
  uninstall: {
    usage: 'uninstall',
    description: "stop, and out of PM2's saved list; removes the state and says what remains",
    load: () => import('./service/uninstall.ts'),
  },
  'install-logrotate': {
    usage: 'install-logrotate [--print] [--to FILE]',
    description:
      'install the rule for logrotate: in the folder that logrotate reads (root), or beside the state (a user)',
    options: ['to'],
    flags: ['print'],
    load: () => import('./service/install-logrotate.ts'),
  },
  run: {
    usage: 'run <APP>',
    description: 'one proxy of the config, as PM2 runs it: tcp-proxy-PORT or unix-proxy-NAME',
    maxArguments: 1,
    load: () => import('./run/run.ts'),
  },
  monitor: {
    usage: 'monitor',
    description: 'the monitor, as PM2 runs it',
    load: () => import('./run/monitor.ts'),
  },
};
