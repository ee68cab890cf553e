// The measured forwarders. A further forwarder is one more entry in FORWARDERS.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pathOf } from '../lib/tools.js';
import { haproxyCommand } from './haproxy.js';
import { nginxStreamCommand, STREAM_MODULE } from './nginx.js';

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

/** `logLine` matches the line of a connection that has ended. */
const steadyport = (engine) => ({
  key: engine,
  name: `steadyport ${engine}`,
  role: 'own',
  tools: [],
  logLine: / done, \d+ B up, /g,
  command: ({ listen, upstream }) => [
    process.execPath,
    fileOf('../../dist/cli.js'),
    ...['proxy', `127.0.0.1:${listen}`, '127.0.0.1', `${upstream}`],
    ...['--engine', engine, '--allow', 'loopback'],
  ],
});

/** @param options of its section `defaults` */
const haproxy = (key, name, options, rest = {}) => ({
  key,
  name,
  role: 'peer',
  tools: ['haproxy'],
  command: (setup) => haproxyCommand(key, setup, options),
  ...rest,
});

const nginx = (key, name, more, rest = {}) => ({
  key,
  name,
  role: 'peer',
  tools: ['nginx', STREAM_MODULE],
  command: (setup) => nginxStreamCommand(key, setup, more),
  ...rest,
});

/** nginx writes its log a buffer at a time to stdout, which is a file. */
const NGINX_LOG = `log_format bench '$time_iso8601 $remote_addr:$remote_port $status up $bytes_received '
    'down $bytes_sent connect $upstream_connect_time total $session_time';
  access_log /dev/stdout bench buffer=32k flush=1s;`;

/**
 * The roles: `own` is compared with the best `peer`; `other` shows the range of other forwarders; `logged` are peers that
 * write a log.
 */
export const FORWARDERS = [
  steadyport('kernel'),
  steadyport('portable'),
  haproxy('haproxy', 'HAProxy', ['option splice-auto']),
  haproxy('haproxy-splice', 'HAProxy splicing', ['option splice-request', 'option splice-response']),
  nginx('nginx', 'nginx stream'),
  haproxy(
    'haproxy-log',
    'HAProxy tcplog',
    ['option splice-auto', 'option tcplog', 'log stdout format raw local0'],
    {
      role: 'logged',
      logLine: / bench bench\/upstream /g,
    },
  ),
  nginx('nginx-log', 'nginx access_log', NGINX_LOG, {
    role: 'logged',
    logLine: / up \d+ down \d+ connect /g,
  }),
  {
    key: 'socat',
    name: 'socat',
    role: 'other',
    tools: ['socat'],
    command: ({ listen, upstream }) => [
      pathOf('socat'),
      `TCP4-LISTEN:${listen},bind=127.0.0.1,fork,reuseaddr,backlog=4096`,
      `TCP4:127.0.0.1:${upstream}`,
    ],
  },
  {
    key: 'python',
    name: 'Python threads',
    role: 'other',
    tools: ['python3'],
    command: ({ listen, upstream }) => [
      pythonItself(),
      fileOf('forwarders/threaded.py'),
      `${listen}`,
      `${upstream}`,
    ],
  },
  {
    key: 'pipe',
    name: 'Node.js pipe',
    role: 'other',
    tools: [],
    command: ({ listen, upstream }) => [
      process.execPath,
      fileOf('forwarders/pipe.js'),
      `${listen}`,
      `${upstream}`,
    ],
  },
];

/** @returns the interpreter itself: `python3` on the PATH may be a script that starts it (pyenv), which takes time */
const pythonItself = () =>
  execFileSync(pathOf('python3'), ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
