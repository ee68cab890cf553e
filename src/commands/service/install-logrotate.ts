import { existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ParsedArgs } from 'minimist';
import { readSettings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { makeRule, SYSTEM_RULE, USER_RULE, USER_STATE } from '../../logging/logrotate-rule.ts';
import { readText } from '../../system/files.ts';

const LOGROTATE = ['/usr/sbin/logrotate', '/usr/bin/logrotate', '/sbin/logrotate'];

/**
 * `steadyport install-logrotate [--print] [--to FILE]`: the rule for this STEADYPORT_HOME and PM2_HOME. As root it goes
 * where logrotate looks by itself; a user has one beside the state, and is told how to have it run.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { home, pm2Home } = readSettings();
  const isRoot = process.getuid?.() === 0;
  const rule = makeRule(
    ownedFolder('STEADYPORT_HOME', home, isRoot),
    ownedFolder('PM2_HOME', pm2Home, isRoot),
  );
  if (args['print'] === true) {
    process.stdout.write(rule);
    return 0;
  }
  const path = targetOf(args['to']) ?? (isRoot ? SYSTEM_RULE : join(home, USER_RULE));
  const isThere = readText(path) === rule;
  if (!isThere) write(path, rule);
  const program = LOGROTATE.find((one) => existsSync(one));
  const lines = [
    isThere ? `${path} is there already, with the same rule.` : `Wrote ${path}.`,
    ...(program === undefined
      ? ['There is no logrotate here (Debian: apt-get install logrotate); until then the monitor rotates.']
      : []),
    ...(path === SYSTEM_RULE ? forRoot : forUser(program ?? 'logrotate', path, join(home, USER_STATE))),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
};

const forRoot = [
  'logrotate reads it by itself, on Debian once a day. For 10 MB to count within the day, hourly:',
  "  mkdir -p /etc/systemd/system/logrotate.timer.d && printf '[Timer]\\nOnCalendar=\\nOnCalendar=hourly\\n' \\",
  '    > /etc/systemd/system/logrotate.timer.d/hourly.conf && systemctl daemon-reload',
  'Without systemd, move /etc/cron.daily/logrotate to /etc/cron.hourly.',
];

const forUser = (program: string, path: string, state: string): readonly string[] => [
  'Nothing runs it yet. Hourly, with this line in "crontab -e":',
  `  17 * * * * ${program} --state "${state}" "${path}"`,
];

/** @throws UsageError when there is none: whose it is cannot be known before */
const ownedFolder = (variable: string, path: string, isRoot: boolean) => {
  const folder = statSync(path, { throwIfNoEntry: false });
  if (!folder?.isDirectory())
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected the folder of a steadyport that has been started; ` +
        `run npm start first, or set ${variable} (sudo leaves it out, and takes another HOME)`,
    );
  const { uid, gid } = folder;
  return { path, owner: isRoot && uid !== 0 ? { uid, gid } : null };
};

const targetOf = (typed: unknown): string | undefined => {
  if (typed === undefined) return undefined;
  if (typeof typed === 'string' && typed !== '') return typed;
  throw new UsageError(`--to is ${JSON.stringify(typed)}: expected a file to write the rule to`);
};

/** Mode 0644: logrotate refuses a rule that others may write. */
const write = (path: string, rule: string): void => {
  try {
    writeFileSync(path, rule, { mode: 0o644 });
  } catch (error) {
    throw new UsageError(
      `the rule cannot be written to ${path}: ${(error as Error).message}` +
        (existsSync(dirname(path)) ? '' : '; expected logrotate to be installed, or --to FILE'),
      { cause: error },
    );
  }
};
