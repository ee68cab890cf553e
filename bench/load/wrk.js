import { fileURLToPath } from 'node:url';
import { runTool } from '../lib/children.js';
import { CONNECTIONS_AT_ONCE } from '../lib/sizes.js';
import { pathOf } from '../lib/tools.js';

const REPORT = fileURLToPath(new URL('../targets/upstream/wrk-report.lua', import.meta.url));

/** Runs wrk. @param seconds is rounded, since wrk takes whole seconds */
export const wrk = async (port, seconds, header) => {
  const report = ['--script', REPORT, ...(header ? ['--header', header] : [])];
  const load = ['--threads', '1', '--connections', `${CONNECTIONS_AT_ONCE}`];
  const duration = ['--duration', `${Math.max(1, Math.round(seconds))}s`];
  const args = [...load, ...duration, ...report, `http://127.0.0.1:${port}/`];
  const result = JSON.parse((await runTool([pathOf('wrk'), ...args])).trim().split('\n').at(-1));
  if (result.requests === 0) throw new Error(`wrk: no answer; errors: ${JSON.stringify(result.errors)}`);
  return result;
};

/** @returns the figures of every measure by wrk; times in ms */
export const wrkFigures = ({ requests, seconds, p50Us, p99Us, errors, cpu }) => ({
  rate: requests / seconds,
  p50: p50Us / 1_000,
  p99: p99Us / 1_000,
  cpu: (cpu * 1_000) / (requests / 1_000),
  errors: Object.values(errors).reduce((sum, count) => sum + count, 0),
  errorText: `wrk: ${JSON.stringify(errors)}`,
});

/** @param singular for example "request" @param plural for example "requests" */
export const wrkRows = (singular, plural) => [
  { field: 'rate', title: plural, unit: '1/s', better: 'more' },
  { field: 'p50', title: `median, ${singular}`, unit: 'ms', better: 'less' },
  { field: 'p99', title: `99th percentile, ${singular}`, unit: 'ms', better: 'less' },
  { field: 'cpu', title: `CPU, 1,000 ${plural}`, unit: 'ms', better: 'less' },
  { field: 'errors', title: `errors, ${plural}`, unit: 'sum', better: 'less', isErrors: true },
];
