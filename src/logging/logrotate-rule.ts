import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../config/project-root.ts';
import { UsageError } from '../lib/usage-error.ts';
import { readName } from '../system/proc/user-names.ts';

/** The path of the rule in the system's folder of logrotate rules. */
export const SYSTEM_RULE = '/etc/logrotate.d/steadyport';
/** File names in STEADYPORT_HOME: a user's rule, and logrotate's state for it. */
export const USER_RULE = 'logrotate.conf';
export const USER_STATE = 'logrotate.state';

interface OwnedFolder {
  readonly path: string;
  /** The user and group that rotate there when root runs logrotate; null: the user that runs it, root included. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/**
 * Makes the rule for this host: the template logrotate/steadyport with the real paths. Folders of another user get a `su`
 * line, which logrotate(8) requires for them.
 * @throws UsageError for a path that cannot be written in a rule
 */
export const createRule = (home: OwnedFolder, pm2Home: OwnedFolder): string => {
  const template = readFileSync(join(ROOT, 'logrotate/steadyport'), 'utf8');
  const blocks = template.slice(template.indexOf('\n\n')).split(/(?=^# )/m);
  return [`# Written by npm run install:logrotate in ${ROOT}.`, ...blocks]
    .map((block) => {
      const { owner } = block.includes('~/.pm2') ? pm2Home : home;
      const su = owner
        ? `{\n    su ${readName('passwd', owner.uid)} ${readName('group', owner.gid)}\n`
        : '{\n';
      return block.replace('{\n', su);
    })
    .join('')
    .replace(/~\/\.steadyport(\S*)/g, (_, pattern: string) =>
      quotePath('STEADYPORT_HOME', home.path, pattern),
    )
    .replace(/~\/\.pm2(\S*)/g, (_, pattern: string) => quotePath('PM2_HOME', pm2Home.path, pattern));
};

/** Quotes the path for logrotate and the shell. @param pattern follows the path, and may have logrotate's wildcards */
const quotePath = (variable: string, path: string, pattern: string): string => {
  if (/["'*?[\]{}\\$`~\n]/.test(path))
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected a path without quotes and without * ? [ ] { } \\ $ \` ~, which ` +
        'logrotate and the shell take for something else',
    );
  return `"${path}${pattern}"`;
};
