import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderStatus } from '../../../src/status/render.ts';
import type { Snapshot } from '../../../src/status/snapshot.ts';
import { formatPortOwner } from '../../../src/system/proc/port-owner.ts';
import {
  displayWidth,
  MONITOR,
  NOW_MS,
  PLAIN,
  problemOf,
  proxyStatus,
  snapshotOf,
} from '../../support/health/status-samples.ts';

const render = (snapshot: Snapshot, columns: number): string =>
  renderStatus(snapshot, columns, PLAIN, NOW_MS);

for (const columns of [20, 40, 80])
  test(`no line is wider than ${columns} columns, whatever is in it`, () => {
    const portOwner = formatPortOwner({
      pid: 9,
      command: 'node /a/very/long/path/to/a/server.js --port 6274',
      uid: 0,
    });
    const status = proxyStatus({ label: '検査官 MCP 🚨🚨', state: 'down', cause: 'port_in_use', portOwner });
    const log = ['✅'.repeat(60), `[2025-10-31 09:13:17] ⚠️  ${'Proxy '.repeat(20)}`, '検'.repeat(50)];
    const lines = render({ ...snapshotOf(status, status, status), log }, columns).split('\n');
    for (const line of lines) assert.ok(displayWidth(line) <= columns, `${displayWidth(line)}: ${line}`);
    assert.ok(lines.some((line) => displayWidth(line) >= columns - 1 && line.endsWith('…')));
  });

test('a line that just fits is one line, and a longer one goes on in the next, indented', () => {
  const lines = (columns: number): readonly string[] =>
    render(snapshotOf(proxyStatus({})), columns)
      .split('\n')
      .slice(0, 2);
  assert.deepEqual(lines(15), ['The port is up.', '']);
  assert.deepEqual(lines(14), ['The port is', '  up.']);
});

test('nothing but the log is cut where the words fit, and nothing at all without a width', () => {
  const problems = [problemOf('disk_full', 'ENOSPC: no space left on device', 'make room')];
  const alerts = {
    silenceEndsAt: null,
    heldBack: [],
    deferred: 0,
    channels: [{ name: 'slack', waiting: 3, problem: 'HTTP 500' }],
  };
  const snapshot: Snapshot = {
    ...snapshotOf(
      proxyStatus({ state: 'down', cause: 'hung', warnings: ['210 MB of memory (limit 192 MB)'] }),
    ),
    monitor: { ...MONITOR, problems, alerts, pm2Problem: 'the PM2 daemon is not running' },
  };
  const wordsOf = (text: string): readonly string[] => text.trim().split(/\s+/);
  const whole = renderStatus(snapshot, Number.POSITIVE_INFINITY, PLAIN, NOW_MS);
  assert.deepEqual(wordsOf(render(snapshot, 40)), wordsOf(whole));
  const log = [`[2025-10-31 09:13:17] ${'Proxy '.repeat(200)}end`];
  assert.match(renderStatus({ ...snapshot, log }, Number.POSITIVE_INFINITY, PLAIN, NOW_MS), /Proxy end\n$/);
});

test('colours go around whole lines and do not count for the width', () => {
  const style = { ...PLAIN, success: (text: string) => `<${text}>`, error: (text: string) => `!${text}!` };
  const snapshot = snapshotOf(proxyStatus({}), proxyStatus({ state: 'down', cause: 'hung' }));
  const lines = renderStatus(snapshot, 40, style, NOW_MS).split('\n');
  assert.ok(
    lines.some((line) => line.startsWith('<✓ 6274')),
    lines.join('\n'),
  );
  assert.ok(lines.some((line) => line.startsWith('!✗ 6274')));
});

test('what to do next is not cut on a narrow terminal: it takes several lines', () => {
  const portOwner = 'pid 4711 (node /srv/a/long/path/to/server.js --port 6274)';
  const taken = snapshotOf(proxyStatus({ state: 'down', cause: 'port_in_use', portOwner }));
  for (const columns of [40, 60, 80]) {
    const lines = renderStatus(taken, columns, PLAIN, NOW_MS).split('\n');
    const from = lines.findIndex((line) => line.startsWith('    → '));
    const text = lines
      .slice(from, lines.indexOf('', from))
      .map((line) => line.trim())
      .join(' ');
    assert.ok(text.includes('pid 4711'), text);
  }
});
