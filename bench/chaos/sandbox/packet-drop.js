// An application in a network namespace, which for TCP is another machine, and which can drop all packets (a black hole).
import { execFileSync } from 'node:child_process';
import { startWorker } from '../../lib/ipc-worker.js';
import { missing } from '../requirements.js';

/** The requirements; see requirements.js. */
export const BLACK_HOLE_NEEDS = ['root', 'ip'];

/** RFC 2544 reserves 198.18.0.0/15 for benchmarks: no real network uses it. */
const NETWORK = `198.18.${process.pid % 256}`;

/** @returns undefined where a requirement is missing */
export const openBlackHole = () => {
  if (missing(BLACK_HOLE_NEEDS).length > 0) return undefined;
  const name = `steadyport-chaos-${process.pid}`;
  const device = `spc${process.pid}`;
  const here = `${NETWORK}.1`;
  const there = `${NETWORK}.2`;
  ip('netns', 'add', name);
  process.on('exit', () => {
    upstream?.end();
    ip('netns', 'del', name);
  });
  ip('link', 'add', device, 'type', 'veth', 'peer', 'name', device, 'netns', name);
  ip('addr', 'add', `${here}/30`, 'dev', device);
  ip('link', 'set', device, 'up');
  ip('-n', name, 'addr', 'add', `${there}/30`, 'dev', device);
  ip('-n', name, 'link', 'set', device, 'up');
  const upstream = startWorker(new URL('../workers/upstream.js', import.meta.url), [
    'ip',
    'netns',
    'exec',
    name,
  ]);
  return {
    host: there,
    upstream,
    /** Silently drops every packet to the application, and thereby every answer. */
    swallow: () => ip('-n', name, 'route', 'add', 'blackhole', `${here}/32`),
    release: () => ip('-n', name, 'route', 'del', 'blackhole', `${here}/32`),
  };
};

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
