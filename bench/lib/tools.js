// The programs that the bench needs, and their Debian packages.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const PACKAGES = {
  haproxy: 'haproxy',
  nginx: 'nginx',
  socat: 'socat',
  python3: 'python3',
  wrk: 'wrk',
  iperf3: 'iperf3',
  strace: 'strace',
  logrotate: 'logrotate',
  '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
};
const VERSION_OPTION = {
  iperf3: '--version',
  socat: '-V',
  python3: '-V',
  strace: '-V',
  logrotate: '--version',
};

/** @returns the absolute path; undefined when the tool is not installed */
export const pathOf = (tool) => {
  if (tool.startsWith('/')) return isReadable(tool) ? tool : undefined;
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, tool)).find(isReadable);
};

/** @returns for example "wrk (Debian package wrk)"; undefined when none is missing */
export const missingOf = (tools) => {
  const missing = tools.filter((tool) => pathOf(tool) === undefined);
  if (missing.length === 0) return undefined;
  return missing.map((tool) => `${tool} (Debian package ${PACKAGES[tool]})`).join(' and ');
};

/** @returns for example "wrk 4.1.0-3+b2" */
export const versionOf = (tool) => {
  const { stdout, stderr } = spawnSync(pathOf(tool), [VERSION_OPTION[tool] ?? '-v'], { encoding: 'utf8' });
  return `${tool} ${/\d+\.\d+[\w.+-]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'of unknown version'}`;
};

const isReadable = (path) => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};
