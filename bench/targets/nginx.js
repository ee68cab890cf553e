import { pathOf } from '../lib/tools.js';
import { written } from './files.js';

export const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** Runs nginx in the foreground and keeps every file that it writes inside the folder. */
export const nginxCommand = (name, config, setup) => {
  const files = ['-p', setup.folder, '-c', written(`${name}.conf`, config, setup), '-e', 'stderr'];
  return [pathOf('nginx'), ...files, '-g', `daemon off; pid ${name}.pid;`];
};

/** @param more lines for the section `stream` */
export const nginxStreamCommand = (key, setup, more = '') =>
  nginxCommand(key, streamConfig(setup, more), setup);

const streamConfig = ({ listen, upstream }, more) => `
load_module ${STREAM_MODULE};
worker_processes 1;
events { worker_connections 16384; }
stream {
  ${more}
  server {
    listen 127.0.0.1:${listen} backlog=4096;
    proxy_pass 127.0.0.1:${upstream};
    proxy_timeout 1h;
    proxy_buffer_size 256k;
  }
}
`;
