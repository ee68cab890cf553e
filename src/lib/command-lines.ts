/**
 * The commands that texts for people name, as they are typed in this project's folder. Neither `steadyport` nor `pm2` is on
 * the PATH there: npm knows the scripts of package.json, and npx the PM2 that came with `npm ci`.
 */

/** "npm run logs -- 6274"; "npm start" for one of the scripts that npm runs without "run". */
export const npmCommand = (script: string, ...args: readonly string[]): string =>
  [
    script === 'start' || script === 'stop' ? 'npm' : 'npm run',
    script,
    ...(args.length > 0 ? ['--', ...args] : []),
  ].join(' ');

/** "npx pm2 restart proxy-monitor" */
export const pm2Command = (...args: readonly string[]): string => ['npx pm2', ...args].join(' ');

/** The command for the status of another user's ports, who may have set other folders than the default ones. */
export const statusCommandOf = (user: string): string =>
  `sudo -u ${user} ${npmCommand('status')} (with the PM2_HOME and STEADYPORT_HOME of that user, where they are not the default ones)`;

/** A path as a shell takes it: in single quotes when it has a space, or anything else that may mean something to a shell. */
export const quoteForShell = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/**
 * Puts a prefix before the commands in a text, for a place that has a PM2 of its own: with "npm run demo --", "npm run logs
 * -- 6274" becomes "npm run demo -- logs 6274". A command that is wrapped over two lines is found too.
 */
export const prefixCommands = (text: string, prefix: string): string =>
  text
    .replace(/\bnpx(?=\s+pm2\b)/g, prefix)
    .replace(/\bnpm\s+(?:run\s+)?(start|stop|status|logs)\b(\s+--(?=\s))?/g, `${prefix} $1`);
