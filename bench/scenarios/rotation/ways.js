// The ways to rotate a log. Each rule is for the real logrotate. The files are numbered, so that there may be more than
// one rotation per second.
const COMMON = 'rotate 100\n nodateext\n compress\n delaycompress\n missingok\n notifempty';

const rule = (log, ...lines) => `${log} {\n ${[COMMON, ...lines].join('\n ')}\n}\n`;

export const WAYS = [
  {
    key: 'proxy',
    title: 'a proxy under full load; rename',
    isProxy: true,
    isOwn: true,
    rule: (log) => rule(log, 'nocreate'),
  },
  {
    key: 'own',
    title: 'written by the proxy; rename',
    isOwn: true,
    rule: (log) => rule(log, 'nocreate'),
  },
  {
    key: 'copytruncate',
    title: "written by PM2; logrotate's copytruncate",
    rule: (log) => rule(log, 'copytruncate'),
  },
  {
    key: 'reloadLogs',
    title: 'written by PM2; rename, then SIGUSR2, as `pm2 reloadLogs`',
    rule: (log, daemon) => rule(log, 'nocreate', 'postrotate', `kill -USR2 ${daemon}`, 'endscript'),
  },
  {
    key: 'pm2-logrotate',
    title: 'written by PM2; the module pm2-logrotate 3.0.0',
    isModule: true,
    // The module checks the size once a second: lines come slowly enough for as many rotations.
    rate: 45_000,
  },
];
