import { existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ParsedArgs } from 'minimist';
import { readSettings } from '../../config/settings.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { createRule, SYSTEM_RULE, USER_RULE, USER_STATE } from '../../logging/logrotate-rule.ts';
import { readText } from '../../system/files.ts';

const LOGROTATE_PATHS = ['/usr/sbin/logrotate', '/usr/bin/logrotate', '/sbin/logrotate'];

/**
 * `steadyport install-logrotate [--print] [--to FILE]` writes logrotate's rule for this STEADYPORT_HOME and PM2_HOME. As
 * root it writes into the folder that logrotate reads by itself. For a user it writes beside the state, and prints how to
 * have it run.
 */
export const run = async (args: ParsedArgs): Promise<number> => {
  const { home, pm2Home } = readSettings();
  const isRoot = process.getuid?.() === 0;
  const rule = createRule(
    requireOwnedFolder('STEADYPORT_HOME', home, isRoot),
    requireOwnedFolder('PM2_HOME', pm2Home, isRoot),
  );
  if (args['print'] === true) {
    process.stdout.write(rule);
    return 0;
  }
  const path = parseTarget(args['to']) ?? (isRoot ? SYSTEM_RULE : join(home, USER_RULE));
  const isInstalled = readText(path) === rule;
  if (!isInstalled) writeRule(path, rule);
  const program = LOGROTATE_PATHS.find((candidate) => existsSync(candidate));
  const lines = [
    isInstalled ? `${path} is there already, with the same rule.` : `Wrote ${path}.`,
    ...(program === undefined
      ? ['There is no logrotate here (Debian: apt-get install logrotate); until then the monitor rotates.']
      : []),
    ...(path === SYSTEM_RULE
      ? ROOT_INSTRUCTIONS
      : userInstructions(program ?? 'logrotate', path, join(home, USER_STATE))),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
};

const ROOT_INSTRUCTIONS = [
  'logrotate reads it by itself, on Debian once a day. For 10 MB to count within the day, hourly:',
  "  mkdir -p /etc/systemd/system/logrotate.timer.d && printf '[Timer]\\nOnCalendar=\\nOnCalendar=hourly\\n' \\",
  '    > /etc/systemd/system/logrotate.timer.d/hourly.conf && systemctl daemon-reload',
  'Without systemd, move /etc/cron.daily/logrotate to /etc/cron.hourly.',
];

const userInstructions = (program: string, path: string, stateFile: string): readonly string[] => [
  'Nothing runs it yet. Hourly, with this line in "crontab -e":',
  `  17 * * * * ${program} --state "${stateFile}" "${path}"`,
];

/**
 * A folder and its owner, as whom logrotate is to rotate; null: as root, or as the user who runs logrotate.
 * @throws UsageError when the folder does not exist, since its owner is unknown until then
 */
const requireOwnedFolder = (variable: string, path: string, isRoot: boolean) => {
  const folder = statSync(path, { throwIfNoEntry: false });
  if (!folder?.isDirectory())
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected the folder of a steadyport that has been started; ` +
        `run npm start first, or set ${variable} (sudo leaves it out, and takes another HOME)`,
    );
  const { uid, gid } = folder;
  return { path, owner: isRoot && uid !== 0 ? { uid, gid } : null };
};

const parseTarget = (typed: unknown): string | undefined => {
  if (typed === undefined) return undefined;
  if (typeof typed === 'string' && typed !== '') return typed;
  throw new UsageError(`--to is ${JSON.stringify(typed)}: expected a file to write the rule to`);
};

/** Writes the rule with mode 0644: logrotate refuses a rule that others may write to. */
const writeRule = (path: string, rule: string): void => {
  try {
    writeFileSync(path, rule, { mode: 0o644 });
  } catch (error) {
    const advice = existsSync(dirname(path)) ? '' : '; expected logrotate to be installed, or --to FILE';
    throw new UsageError(`the rule cannot be written to ${path}: ${(error as Error).message}${advice}`, {
      cause: error,
    });
  }
};
