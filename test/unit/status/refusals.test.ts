import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderEvidence, withEvidence } from '../../../src/status/evidence.ts';
import { renderBrief, renderStatus } from '../../../src/status/render.ts';
import type { ProxyStatus } from '../../../src/status/snapshot.ts';
import { NOW_MS, PLAIN, proxyStatus, snapshotOf } from '../../support/health/status-samples.ts';

const REFUSING = proxyStatus({
  refusals: {
    byReason: { not_allowed: 12, too_many: 2 },
    lastNotAllowed: { host: '203.0.113.7', at: NOW_MS - 5_000 },
  },
});
const NOT_ALLOWED =
  'refused 12 by the allow list, last 203.0.113.7 5.0 s ago; to let it in: "allow": ["loopback","private","203.0.113.7"]';
const TOO_MANY = 'refused 2: the connection limit was reached';

/** The text of each of the three views, one space for each gap. */
const views = (proxy: ProxyStatus, columns: number): Readonly<Record<string, string>> => {
  const snapshot = snapshotOf(proxy);
  const texts = {
    status: renderStatus(snapshot, columns, PLAIN, NOW_MS),
    start: renderBrief(snapshot, columns, PLAIN, NOW_MS),
    evidence: renderEvidence(withEvidence(snapshot, {}), columns, NOW_MS),
  };
  return Object.fromEntries(Object.entries(texts).map(([view, text]) => [view, text.replace(/\s+/g, ' ')]));
};

test('refused clients are in every view, whole, with the setting that lets the last one in', () => {
  for (const columns of [60, 200])
    for (const [view, text] of Object.entries(views(REFUSING, columns)))
      for (const refusal of [NOT_ALLOWED, TOO_MANY]) assert.ok(text.includes(refusal), `${view}: ${text}`);
});

test('where none was refused, only the evidence mentions it', () => {
  const { status = '', start = '', evidence = '' } = views(proxyStatus({}), 200);
  assert.doesNotMatch(status + start, /refused/);
  assert.match(evidence, /clients none refused/);
});

test('a proxy that does not say whom it refused, and a monitor that does not say whether: what is known is shown', () => {
  const unnamed = proxyStatus({ refusals: { byReason: { not_allowed: 3 }, lastNotAllowed: null } });
  assert.match(views(unnamed, 200)['status'] ?? '', /! refused 3 by the allow list ✓/);
  const { refusals, allow, ...ofEarlierMonitor } = proxyStatus({});
  assert.doesNotMatch(views(ofEarlierMonitor as ProxyStatus, 200)['status'] ?? '', /refused/);
});
