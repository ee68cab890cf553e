// All that is printed, and written to RESULTS.md: what was measured where, the figures, what they mean.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { report } from './report.js';
import { versionOf } from './tools.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @returns Markdown */
export const page = ({ quick, rounds, sizes, before, leftOut, failures, ...figures }) =>
  [
    '# What forwarding costs',
    quick ? 'Made with --quick: it shows that all works; the figures mean nothing.' : '',
    before,
    list('Left out', leftOut),
    list('Failures', failures),
    report(figures),
    notes(rounds, sizes),
  ]
    .filter((part) => part !== '')
    .join('\n\n');

/** To be taken before the first measure: the load of the machine is part of it. */
export const circumstances = (args, { measures, forwarders }) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const git = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' });
  const commit = git.status === 0 ? ` (${git.stdout.trim()})` : '';
  const tools = new Set([...measures, ...forwarders].flatMap((entry) => entry.tools));
  const versions = [...tools].filter((tool) => !tool.startsWith('/')).map(versionOf);
  const [{ model }] = cpus();
  const memory = `${(totalmem() / 1e9).toFixed(0)} GB`;
  const load = loadavg()[0].toFixed(2);
  const command = ['npm run bench', ...(args.length > 0 ? ['--'] : []), ...args].join(' ');
  return [
    `- ${new Date().toISOString().slice(0, 10)}: \`${command}\``,
    `- ${model}, ${cpus().length} cores, ${memory}, Linux ${release()}, load before: ${load}`,
    `- ${[`steadyport ${version}${commit}`, `Node.js ${process.versions.node}`, ...versions].join(', ')}`,
  ].join('\n');
};

const notes = (rounds, { bytes, seconds, turns, roundTrips, connections }) =>
  `
- The figures are medians of ${rounds === 1 ? '1 round' : `${rounds} rounds`}. In a round each measure
  is made of all forwarders in turn, each time with a new process of the forwarder and of the upstream. All is
  on 127.0.0.1.
- "Best peer" is the best of HAProxy, with either setting of splicing, and nginx in that row. Within 3 % they
  are called equal.
- CPU is user and system time of the forwarder alone, all of its processes. The load and the upstream share
  the cores with it, so that rates and latencies are about this machine; ratios carry further.
- Streams: iperf3, ${bytes / 1e9} GB in all, from the client to the upstream. A GB is 10⁹ bytes, as received.
- Requests: wrk, 64 connections, ${seconds} s, to an nginx that answers "ok". New connections: the same with
  \`Connection: close\`; the 99th percentile is from the request, on a connection that the system accepted.
- Added latency: the median of ${format(turns * roundTrips)} round trips through the forwarder, less that of
  as many to the upstream itself.
- Memory, idle: RSS of a forwarder that is one process, the sum of PSS of one that is several (nginx). Each
  idle connection: by how much PSS has grown with ${format(connections)} of them, each having carried a byte
  both ways. Neither mapped files nor the system's socket buffers are counted.
`.trim();

const format = (count) => count.toLocaleString('en');

const list = (title, lines) =>
  lines.length === 0 ? '' : [`${title}:`, '', ...lines.map((line) => `- ${line}`)].join('\n');
