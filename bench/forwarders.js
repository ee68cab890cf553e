// What is measured. A further forwarder is one more entry in FORWARDERS.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pathOf } from './tools.js';

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const steadyport = (engine) => ({
  key: engine,
  name: `steadyport ${engine}`,
  role: 'own',
  tools: [],
  command: ({ listen, upstream }) => [
    process.execPath,
    fileOf('../dist/cli.js'),
    ...['proxy', `127.0.0.1:${listen}`, '127.0.0.1', `${upstream}`],
    ...['--engine', engine, '--allow', 'loopback'],
  ],
});

/**
 * With `splice-auto` HAProxy 2.6 splices few reads of a stream (1,300 of 40,000); told to, it splices
 * every one, small ones too.
 */
const haproxy = (key, name, splicing) => ({
  key,
  name,
  role: 'peer',
  tools: ['haproxy'],
  command: (place) => {
    const config = written(`${key}.cfg`, haproxyConfig(place, splicing), place);
    return [pathOf('haproxy'), '-db', '-f', config];
  },
});

/** `own` is compared to the best `peer`; the others are there to see where the field is. */
export const FORWARDERS = [
  steadyport('kernel'),
  steadyport('portable'),
  haproxy('haproxy', 'HAProxy', ['splice-auto']),
  haproxy('haproxy-splice', 'HAProxy splicing', ['splice-request', 'splice-response']),
  {
    key: 'nginx',
    name: 'nginx stream',
    role: 'peer',
    tools: ['nginx', STREAM_MODULE],
    command: (place) => nginxCommand('nginx-stream.conf', nginxConfig(place), place),
  },
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

/** In the foreground, with every file that nginx writes inside the folder. */
export const nginxCommand = (name, config, place) => {
  const files = ['-p', place.folder, '-c', written(name, config, place), '-e', 'stderr'];
  return [pathOf('nginx'), ...files, '-g', `daemon off; pid ${name}.pid;`];
};

const written = (name, text, { folder }) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** The interpreter: a `python3` on the PATH may be a script that starts it (pyenv), which costs time. */
const pythonItself = () =>
  execFileSync(pathOf('python3'), ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();

const haproxyConfig = ({ listen, upstream }, splicing) => `
global
  nbthread 1
  maxconn 4500
  tune.pipesize 1048576
defaults
  mode tcp
${splicing.map((option) => `  option ${option}`).join('\n')}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${listen}
  server upstream 127.0.0.1:${upstream}
`;

const nginxConfig = ({ listen, upstream }) => `
load_module ${STREAM_MODULE};
worker_processes 1;
events { worker_connections 16384; }
stream {
  server {
    listen 127.0.0.1:${listen} backlog=4096;
    proxy_pass 127.0.0.1:${upstream};
    proxy_timeout 1h;
  }
}
`;
