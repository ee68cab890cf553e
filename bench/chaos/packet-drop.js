// An application on another machine, as far as TCP can tell: a network namespace that may become a black hole.
import { execFileSync } from 'node:child_process';
import { missing } from './requirements.js';
import { startHelper } from './worker.js';

/** What it takes; see needs.js. */
export const HOLE_NEEDS = ['root', 'ip'];

/** For measurements between devices (RFC 2544): nobody's own network. */
const NETWORK = `198.18.${process.pid % 256}`;

/** Undefined where the machine has not what it takes. */
export const openHole = () => {
  if (missing(HOLE_NEEDS).length > 0) return undefined;
  const name = `steadyport-chaos-${process.pid}`;
  const device = `spc${process.pid}`;
  const [here, there] = [`${NETWORK}.1`, `${NETWORK}.2`];
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
  const upstream = startHelper('upstream.js', ['ip', 'netns', 'exec', name]);
  return {
    host: there,
    upstream,
    /** Whatever comes from here is dropped, and so is every answer; nothing says so. */
    swallow: () => ip('-n', name, 'route', 'add', 'blackhole', `${here}/32`),
    release: () => ip('-n', name, 'route', 'del', 'blackhole', `${here}/32`),
  };
};

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
