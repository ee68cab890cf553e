import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProxyState } from '../../../src/health/state.ts';
import { renderBrief } from '../../../src/status/render.ts';
import type { ProxyStatus, Snapshot } from '../../../src/status/snapshot.ts';
import { isDecided } from '../../../src/status/summary.ts';
import { DISABLED, NOW_MS, PLAIN, proxyStatus, snapshotOf } from '../../support/health/status-samples.ts';

/** Without the address of the monitor, which has a line of its own. */
const render = ({ monitor, ...rest }: Snapshot, columns = 200): string =>
  renderBrief({ ...rest, monitor: monitor && { ...monitor, http: null } }, columns, PLAIN, NOW_MS);

describe('each port has a line with the address to open, or with what is wrong and what to do', () => {
  const upstreamDown = {
    cause: 'upstream_down',
    sharesPort: false,
    detail: 'nothing listens on localhost:6274',
  } as const;
  const table: readonly [change: Partial<ProxyStatus>, line: string][] = [
    [{}, '✓ 6274  MCP Inspector Web UI  open http://10.0.0.5:6274  (answers)'],
    [
      { answersOnOwnAddress: false },
      '✓ 6274  MCP Inspector Web UI  open http://10.0.0.5:6274  (does not answer)',
    ],
    [
      { urls: [], listen: ['127.0.0.1:6274', '[::1]:6274'], answersOnOwnAddress: null },
      '✓ 6274  MCP Inspector Web UI  listens on 127.0.0.1:6274, [::1]:6274',
    ],
    [
      { state: 'not_needed', answersOnOwnAddress: null },
      '✓ 6274  MCP Inspector Web UI  not needed: the upstream listens on every address itself: open http://10.0.0.5:6274',
    ],
    [
      { state: 'down', ...upstreamDown },
      '✗ 6274  MCP Inspector Web UI  DOWN (upstream_down): nothing listens on localhost:6274. Start the application, or correct "upstream"; the proxy is fine',
    ],
    [
      { state: 'waiting', ...upstreamDown },
      '○ 6274  MCP Inspector Web UI  waiting for its upstream (upstream_down): nothing listens on localhost:6274. Start the application, or correct "upstream"; the proxy is fine',
    ],
    [
      { state: 'down', cause: 'hung', nextRestartAt: NOW_MS + 9_000 },
      '✗ 6274  MCP Inspector Web UI  DOWN (hung): the process does not answer. The monitor kills it and restarts it; restarts did not help: next try in 9.0 s',
    ],
    [{ state: 'starting' }, '… 6274  MCP Inspector Web UI  starting'],
  ];
  for (const [change, line] of table)
    test(line, () => assert.equal(render(snapshotOf(proxyStatus(change))), `${line}\n`));
});

test('a long line is wrapped, and nothing of it is cut', () => {
  const snapshot = snapshotOf(proxyStatus({ state: 'down', cause: 'upstream_down' }), proxyStatus({}));
  const narrow = render(snapshot, 60).trimEnd().split('\n');
  assert.ok(narrow.length > 2);
  assert.ok(narrow.every((line) => line.length <= 60));
  const wordsOf = (text: string): readonly string[] => text.trim().split(/\s+/);
  assert.deepEqual(wordsOf(render(snapshot, 60)), wordsOf(render(snapshot)));
});

test('the monitor has a line for its address, or when it does not answer, and only then', () => {
  const snapshot = snapshotOf(proxyStatus({}));
  assert.doesNotMatch(render(snapshot), /proxy-monitor/);
  assert.ok(renderBrief(snapshot, 200, PLAIN, NOW_MS).endsWith('\n✓ proxy-monitor  127.0.0.1:6270\n'));
  const silent = render({ ...snapshot, monitor: null, monitorProblem: 'see its log' });
  assert.match(silent, /^✗ proxy-monitor {2}does not answer.*\n {4}→ see its log\n$/m);
});

describe('a state is a verdict when no further check is needed to confirm it', () => {
  const table: readonly [state: ProxyState, consecutive: number, isExpected: boolean][] = [
    ['starting', 0, false],
    ['degraded', 1, false],
    ['degraded', 0, true],
    ['degraded', 3, true],
    ['down', 0, false],
    ['down', 3, true],
    ['up', 0, true],
    ['stopped', 0, true],
    ['waiting', 0, true],
    ['not_needed', 0, true],
  ];
  for (const [state, consecutive, isExpected] of table)
    test(`${state} after ${consecutive} failures in a row: ${isExpected ? 'yes' : 'no'}`, () => {
      const failures = { consecutive, sinceHealthy: consecutive, total: consecutive };
      assert.equal(isDecided(proxyStatus({ state, failures })), isExpected);
    });
});

test('a port that is disabled has a line of its own', () => {
  const snapshot = { ...snapshotOf(proxyStatus({})), disabled: [DISABLED] };
  assert.equal(
    render(snapshot),
    '✓ 6274  MCP Inspector Web UI  open http://10.0.0.5:6274  (answers)\n- 6280  Debugger  disabled in the config\n',
  );
});
