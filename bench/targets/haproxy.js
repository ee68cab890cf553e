import { pathOf } from '../lib/tools.js';
import { written } from './files.js';

/** @param options of its configuration's section `defaults` */
export const haproxyCommand = (key, setup, options) => [
  pathOf('haproxy'),
  '-db',
  '-f',
  written(`${key}.cfg`, config(setup, options), setup),
];

/** One thread, as all forwarders here. */
const config = ({ listen, upstream }, options) => `
global
  nbthread 1
  maxconn 4500
  tune.pipesize 1048576
defaults
  mode tcp
${options.map((option) => `  ${option}`).join('\n')}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${listen} backlog 4096
  server upstream 127.0.0.1:${upstream}
`;
