import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../config/project-root.ts';
import { UsageError } from '../lib/usage-error.ts';

/** Where logrotate looks for the rules of the system. */
export const SYSTEM_RULE = '/etc/logrotate.d/steadyport';
/** In STEADYPORT_HOME: the rule of a user, and what logrotate notes of it. */
export const USER_RULE = 'logrotate.conf';
export const USER_STATE = 'logrotate.state';

interface OwnedFolder {
  readonly path: string;
  /** Who is to rotate there, when root runs logrotate: user and group; null: root itself, or who runs it. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

/**
 * logrotate/steadyport with the real paths and, as logrotate(8) has it for folders of another user, with `su`.
 * @throws UsageError for a path that a rule cannot have in it
 */
export const createRule = (stateDir: OwnedFolder, pm2Home: OwnedFolder): string => {
  const template = readFileSync(join(ROOT, 'logrotate/steadyport'), 'utf8');
  const blocks = template.slice(template.indexOf('\n\n')).split(/(?=^# )/m);
  return [`# Written by npm run install:logrotate in ${ROOT}.`, ...blocks]
    .map((block) => {
      const { owner } = block.includes('~/.pm2') ? pm2Home : stateDir;
      const su = owner
        ? `{\n    su ${readName('passwd', owner.uid)} ${readName('group', owner.gid)}\n`
        : '{\n';
      return block.replace('{\n', su);
    })
    .join('')
    .replace(/~\/\.steadyport(\S*)/g, (_, pattern: string) =>
      quotePath('STEADYPORT_HOME', stateDir.path, pattern),
    )
    .replace(/~\/\.pm2(\S*)/g, (_, pattern: string) => quotePath('PM2_HOME', pm2Home.path, pattern));
};

/** The rest is a pattern for logrotate, and nothing special for the shell. */
const quotePath = (variable: string, path: string, pattern: string): string => {
  if (/["'*?[\]{}\\$`~\n]/.test(path))
    throw new UsageError(
      `${variable} is ${JSON.stringify(path)}: expected a path without quotes and without * ? [ ] { } \\ $ \` ~, which ` +
        'logrotate and the shell take for something else',
    );
  return `"${path}${pattern}"`;
};

/** As passwd(5) and group(5) have it; the number where they do not. */
const readName = (file: 'passwd' | 'group', id: number): string => {
  const lines = readFileSync(`/etc/${file}`, 'utf8').split('\n');
  return lines.map((line) => line.split(':')).find((fields) => fields[2] === String(id))?.[0] ?? String(id);
};
