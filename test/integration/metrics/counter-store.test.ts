import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CounterStore, openCounterStore } from '../../../src/metrics/counter-store.ts';
import type { ProxyReport } from '../../../src/proxy/report.ts';
import { FIRST_REPORT } from '../../support/proxy/fake-proxy.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const report = (pid: number, total: number): ProxyReport => ({
  ...FIRST_REPORT,
  pid,
  startedAt: 1_000 + pid,
  connections: { ...FIRST_REPORT.connections, total },
});
const open = (path: string, ids: readonly string[]): CounterStore => openCounterStore(path, ids, () => {});
const totalOf = (counters: CounterStore): number | undefined => counters.read().get('6274')?.total;

test('counts that were shown are shown by the next monitor too, whatever has become of the processes', () => {
  const path = join(tempFolder(), 'counts.json');
  const first = open(path, ['6274', '6277']);
  first.add('6274', report(1, 5));
  first.add('6274', report(2, 3));
  assert.equal(totalOf(first), 8);
  first.add('6274', report(2, 4));
  const second = open(path, ['6274']);
  assert.equal(totalOf(second), 8);
  second.add('6274', report(2, 6));
  assert.equal(totalOf(second), 11);
  second.add('6274', report(3, 1));
  assert.equal(totalOf(second), 12);
});

test('reading without a new report writes nothing', () => {
  const path = join(tempFolder(), 'counts.json');
  const counters = open(path, ['6274']);
  counters.add('6274', report(1, 5));
  counters.read();
  writeFileSync(path, 'somebody else');
  counters.read();
  assert.equal(readFileSync(path, 'utf8'), 'somebody else');
});

test('an unusable file counts as none, and counts are shown even if the file cannot be written', () => {
  const path = join(tempFolder(), 'counts.json');
  for (const text of ['', 'no JSON', '{"version":0,"ports":{"6274":1}}', 'null']) {
    writeFileSync(path, text);
    assert.equal(totalOf(open(path, ['6274'])), 0, text);
  }
  const nowhere = open(join(path, 'counts.json'), ['6274']);
  nowhere.add('6274', report(1, 5));
  assert.equal(totalOf(nowhere), 5);
});

test('counts that cannot be used begin at 0, and all others go on', () => {
  const path = join(tempFolder(), 'counts.json');
  const first = open(path, ['6274', '6277']);
  for (const id of ['6274', '6277']) first.add(id, report(1, 5));
  first.read();
  const file = JSON.parse(readFileSync(path, 'utf8'));
  const stored = file.ports['6274'];
  const table: readonly [broken: unknown, total: number][] = [
    [5, 3],
    [{}, 3],
    [{ ...stored, current: { processKey: '1', totals: {} } }, 3],
    // Its process, which reports again, would be counted twice.
    [{ ...stored, current: { totals: stored.current.totals } }, 3],
    [{ ...stored, previous: { ...stored.previous, connectFailures: null } }, 8],
    [{ ...stored, previous: { ...stored.previous, total: -1 } }, 8],
  ];
  for (const [broken, total] of table) {
    writeFileSync(path, JSON.stringify({ ...file, ports: { ...file.ports, 6274: broken } }));
    const next = open(path, ['6274', '6277']);
    next.add('6274', report(2, 3));
    assert.deepEqual(
      ['6274', '6277'].map((id) => next.read().get(id)?.total),
      [total, 5],
      JSON.stringify(broken),
    );
  }
});

test('the end of a monitor that was not asked to leave counts as a crash of it, and any other end does not', () => {
  const path = join(tempFolder(), 'counts.json');
  const crashesAfter = (end: (counters: CounterStore) => void): number => {
    const counters = open(path, ['6274']);
    end(counters);
    return counters.monitorCrashes();
  };
  const leave = (counters: CounterStore): void => counters.close();
  const isKilled = (counters: CounterStore): void => {
    counters.add('6274', report(1, 5));
    counters.read();
  };
  assert.deepEqual([leave, leave, isKilled, isKilled, leave, leave].map(crashesAfter), [0, 0, 0, 1, 2, 2]);
});

test('a file of a version without the crashes of the monitor is used, and counts none', () => {
  const path = join(tempFolder(), 'counts.json');
  const first = open(path, ['6274']);
  first.add('6274', report(1, 5));
  first.read();
  const { monitor: _, ...older } = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify(older));
  const second = openCounterStore(path, ['6274'], assert.fail);
  assert.deepEqual([second.monitorCrashes(), totalOf(second)], [0, 5]);
});
