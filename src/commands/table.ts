/**
 * The room commands: what a person, npm or PM2 can run. A command is one file, and one row of the table here.
 * inspect/ shows the state and changes nothing, service/ changes what PM2 runs, run/ has the processes that PM2 runs.
 */

import type { ParsedArgs } from 'minimist';
import { pm2Command } from '../lib/command-lines.ts';
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
  /** What may have been meant by an argument too many. Default: nothing is said. */
  hintOf?(argument: string): string;
  /** The meaning of each exit code other than 2, which is a mistake in the command or in the config. Default: 0, it is done. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  /** Loads the command's file, which is a program of its own in dist/ (scripts/build.js finds it by this import). */
  load(): Promise<{ run(args: ParsedArgs): Promise<number | undefined> }>;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  proxy: {
    usage: 'proxy <listen> <upstreamHost> <upstreamPort> [options]',
    description: 'forward one port in the foreground, without PM2',
    options: Object.keys(PROXY_OPTIONS),
    maxArguments: 3,
    exitCodes: { 0: 'it was stopped by a signal', 1: 'it failed' },
    load: () => import('./run/proxy.ts'),
  },
  status: {
    usage: 'status [NAME] [--json] [--watch] [--evidence]',
    description:
      'what is up, what is not, why, and what to do; with --evidence the findings of the last check',
    flags: ['json', 'watch', 'evidence'],
    maxArguments: 1,
    exitCodes: {
      0: 'all ports are up; the states waiting and not_needed count as up, and disabled ports do not count',
      1: 'a port is in another state',
      3: 'the monitor does not answer; the status is then from PM2 and one check',
    },
    load: () => import('./inspect/status.ts'),
  },
  logs: {
    usage: 'logs [NAME] [-n LINES] [-f]',
    description: "the last lines of the apps' logs (20, or LINES), and with -f those to come",
    options: ['lines'],
    flags: ['follow'],
    aliases: { n: 'lines', f: 'follow' },
    maxArguments: 1,
    exitCodes: { 0: 'there is a log', 1: 'there is no log' },
    load: () => import('./inspect/logs.ts'),
  },
  'check-config': {
    usage: 'check-config [PATH]',
    description: 'every mistake in the config file, and the variables over it',
    maxArguments: 1,
    exitCodes: { 0: 'the config is valid' },
    load: () => import('./inspect/check-config.ts'),
  },
  'alert-test': {
    usage: 'alert-test',
    description: 'send a test to each channel for alerts that .env has, and print the result',
    exitCodes: { 0: 'every channel accepted it', 1: 'a channel did not accept it' },
    load: () => import('./inspect/alert-test.ts'),
  },
  start: {
    usage: 'start [NAME…] [--dry-run] [--take-over]',
    description:
      'make PM2 run what the config says; what runs so already keeps its connections, what you stopped stays so until it is named, and --dry-run only says what would be done. --take-over: also when the project runs by another config, or in another PM2',
    flags: ['dry-run', 'take-over'],
    maxArguments: Number.POSITIVE_INFINITY,
    exitCodes: {
      0: 'the proxies and the monitor run, or would with nothing to be done',
      1: 'one of them did not come up, or the system lets a proxy have none of its addresses (a port that another process holds is no failure); with --dry-run: there is something to do',
      4: 'PM2 failed, and says why: it cannot be asked, was not started, or did not take the apps',
    },
    load: () => import('./service/start.ts'),
  },
  stop: {
    usage: 'stop',
    description: 'take the monitor and the proxies out of PM2',
    hintOf: (argument) => `for one app: ${pm2Command('stop', appOf(argument))}`,
    exitCodes: { 0: 'nothing runs any more', 1: 'a process, or PM2, does not answer' },
    load: () => import('./service/stop.ts'),
  },
  uninstall: {
    usage: 'uninstall',
    description: "stop, and out of PM2's saved list; removes the state and says what remains",
    exitCodes: { 0: 'all is removed', 1: 'something could not be stopped or removed, which it names' },
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
    exitCodes: { 0: 'it was stopped by a signal', 1: 'it failed' },
    load: () => import('./run/run.ts'),
  },
  monitor: {
    usage: 'monitor',
    description: 'the monitor, as PM2 runs it',
    exitCodes: { 0: 'it was stopped by a signal', 1: 'it failed' },
    load: () => import('./run/monitor.ts'),
  },
};

/** The PM2 app of a port; an app as it is; of anything else the form that an app's name has. */
const appOf = (argument: string): string => {
  if (/^\d+$/.test(argument)) return `tcp-proxy-${argument}`;
  return /-proxy-|^proxy-monitor/.test(argument) ? argument : 'tcp-proxy-PORT';
};
