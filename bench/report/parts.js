// The texts that all parts of RESULTS.md have beside their figures.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { versionOf } from '../lib/tools.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** @returns the parts that are not empty, as one text */
export const joined = (parts) => parts.filter((part) => part !== '').join('\n\n');

export const warning = (quick) =>
  quick ? 'Made with --quick, as a test that everything works: the figures mean nothing.' : '';

export const list = (title, lines) =>
  lines.length === 0 ? '' : [`${title}:`, '', ...lines.map((line) => `- ${line}`)].join('\n');

export const format = (count) => count.toLocaleString('en');

/** Describes the machine and the versions. To be called before the first measure, since it includes the machine's load. */
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
