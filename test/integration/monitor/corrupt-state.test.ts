import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { safeParse } from 'valibot';
import { ALERTS_FORMAT } from '../../../src/alerting/store.ts';
import { parseConfig } from '../../../src/config/config.ts';
import { reduce } from '../../../src/health/reducer.ts';
import { COUNTS_FORMAT, openCounterStore } from '../../../src/metrics/counter-store.ts';
import { createMetrics } from '../../../src/metrics/prometheus.ts';
import type { ProxyMetrics } from '../../../src/metrics/sample.ts';
import { healthFormat, loadHealth, saveHealth } from '../../../src/monitor/health-store.ts';
import { healthPolicyOf } from '../../../src/monitor/proxy-monitor.ts';
import { alertViewOf, describeProxy, proxyMetricsOf } from '../../../src/monitor/snapshot.ts';
import { renderStatus } from '../../../src/status/render.ts';
import { locateStateDir } from '../../../src/system/state-dir.ts';
import { openStateFile, readStateFile, type StateFormat } from '../../../src/system/state-file.ts';
import { createChannel, createDesk, createLevel } from '../../support/alerting/fake-receivers.ts';
import { HUNG, UPSTREAM_DOWN, WELL } from '../../support/health/health-scenario.ts';
import { PLAIN, snapshotOf } from '../../support/health/status-samples.ts';
import { FIRST_REPORT } from '../../support/proxy/fake-proxy.ts';
import { type JsonPath, pathsOf, replaceAt, sampleOf, valueAt } from '../../support/schema-samples.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const IDS = ['6274', '6277'];
const parsed = parseConfig({
  proxies: IDS.map((id) => ({ listen: id, upstream: `localhost:${id}` })),
});
assert.ok(parsed.ok);
const { proxies, monitor } = parsed.config;

/** A state file, and what the monitor does with it. */
interface Subject {
  readonly name: string;
  readonly format: StateFormat<object>;
  /** The keys of its records. */
  readonly keys: readonly string[];
  /** How much of a path names the largest part that may begin anew because of one value in it. */
  readonly depth: number;
  /** Opens the file as the monitor does, and makes three checks. */
  use(path: string): Promise<void>;
}

const PM2 = { statusText: 'online', ending: null };

/** The metrics of the ports, each of which must be shown. */
const assertPage = async (samples: readonly ProxyMetrics[]): Promise<void> => {
  const broken: string[] = [];
  const page = await createMetrics((problem) => broken.push(problem)).render(snapshotOf(), samples);
  assert.deepEqual(broken, []);
  for (const { proxy } of samples) assert.ok(page.includes(`steadyport_up{proxy="${proxy}"}`), page);
};

const useHealth = async (path: string): Promise<void> => {
  const stateDir = { ...locateStateDir(dirname(path)), monitorStateFile: path };
  const records = loadHealth(path, proxies, () => {});
  for (const evidence of [WELL, { ...WELL, ...HUNG }, { ...WELL, ...UPSTREAM_DOWN }])
    for (const proxy of proxies) {
      const record = records.get(proxy.id);
      assert.ok(record);
      const event = { kind: 'check', at: Date.now(), pid: 100, evidence, isProbed: true } as const;
      const { health } = reduce(record.health, event, healthPolicyOf(proxy, monitor, false));
      records.set(proxy.id, { ...record, health });
      const status = describeProxy(proxy, health, undefined, PM2, monitor.failureThreshold);
      assert.ok(renderStatus(snapshotOf(status), 120, PLAIN, Date.now()).includes(proxy.id));
      assert.equal(alertViewOf(proxy, health, undefined, 0, null, 'devbox', null).health, health);
    }
  saveHealth(stateDir, records);
  const counters = openCounterStore(join(tempFolder(), 'counts.json'), IDS, assert.fail).read();
  await assertPage(
    proxies.map((proxy) => {
      const { health } = records.get(proxy.id) ?? assert.fail();
      const totals = counters.get(proxy.id) ?? assert.fail();
      return { ...proxyMetricsOf(proxy, health, undefined, null, 0), totals };
    }),
  );
};

const useCounts = async (path: string): Promise<void> => {
  const counters = openCounterStore(path, IDS, () => {});
  const before = counters.read();
  for (let total = 1; total <= 3; total += 1)
    for (const id of IDS)
      counters.add(id, { ...FIRST_REPORT, connections: { ...FIRST_REPORT.connections, total } });
  const now = counters.read();
  const [health] = loadHealth(join(tempFolder(), 'none.json'), proxies).values();
  assert.ok(health);
  await assertPage(
    proxies.map((proxy) => {
      const totals = now.get(proxy.id) ?? assert.fail();
      assert.equal(totals.total, (before.get(proxy.id)?.total ?? Number.NaN) + 3);
      return { ...proxyMetricsOf(proxy, health.health, undefined, null, 0), totals };
    }),
  );
};

const useAlerts = async (path: string): Promise<void> => {
  const desk = createDesk();
  const notifier = desk.start([createChannel('slack')], [createLevel(desk.clock)], path);
  for (const change of [desk.fall, desk.rise, desk.fall]) {
    change();
    notifier.evaluateSoon();
    await desk.clock.pass(10_000);
  }
  await notifier.stop();
  assert.deepEqual(
    desk.log.filter((line) => /^alerts_(error|write_failed)/.test(line)),
    [],
  );
};

const SUBJECTS: readonly Subject[] = [
  { name: 'monitor.json', format: healthFormat(5), keys: IDS, depth: 4, use: useHealth },
  { name: 'monitor-counts.json', format: COUNTS_FORMAT, keys: IDS, depth: 4, use: useCounts },
  {
    name: 'alerts.json',
    format: ALERTS_FORMAT,
    keys: ['tcp-proxy-6274', 'tcp-proxy-6277', 'slack'],
    depth: 3,
    use: useAlerts,
  },
];

const WRONG_VALUES = [undefined, null, 'x', 5, true, [], {}, [5], { x: 5 }, -1, 1e308];

const isWithin = (path: JsonPath, part: JsonPath): boolean => part.every((key, at) => path[at] === key);

/** The part that one value may cost: a list as a whole, since the elements after one that is left out move up. */
const partOf = (path: JsonPath, depth: number): JsonPath => {
  const listAt = path.findIndex((key) => typeof key === 'number');
  return path.slice(0, listAt < 0 ? depth : Math.min(depth, listAt));
};

/** Everything of the sample that is not in the part has the same value. */
const assertKept = (value: object, sample: unknown, part: JsonPath, about: string): void => {
  for (const path of pathsOf(sample)) {
    const expected = valueAt(sample, path);
    const isLeaf = typeof expected !== 'object';
    if (isLeaf && !isWithin(path, part))
      assert.equal(valueAt(value, path), expected, `${path.join('.')} when ${about}`);
  }
};

const asideOf = (path: string): readonly string[] =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.bad-`));

for (const { name, format, keys, depth, use } of SUBJECTS)
  describe(name, () => {
    const sample = sampleOf(format.schema, keys);
    const folder = tempFolder();
    let cases = 0;
    /** A path for the next case, with the content unless it is undefined. */
    const write = (content?: string | Buffer): string => {
      cases += 1;
      const home = join(folder, String(cases));
      mkdirSync(home, { mode: 0o700 });
      const path = join(home, name);
      if (content !== undefined) writeFileSync(path, content);
      return path;
    };
    const toText = (content: unknown): string =>
      JSON.stringify({ version: format.version, ...(content as object) });

    test('the sample fits the schema, and is read as it is', async () => {
      assert.ok(safeParse(format.schema, sample).success);
      const path = write(toText(sample));
      assert.deepEqual(openStateFile(path, format, assert.fail), sample);
      await use(path);
    });

    test('one value that is missing or wrong costs the part that it is in, with one line, and only once', async () => {
      // The first entry of each list and record stands for the others, which must not change.
      const isRepeated = (path: JsonPath): boolean =>
        path.includes(1) || path.includes(keys[1] ?? '') || isRepeatedState(path);
      // The state of one channel is of the same schema as that of all.
      const isRepeatedState = ([part, ...rest]: JsonPath): boolean =>
        part === 'ownStates' && rest.some((key) => keys.indexOf(String(key)) > 0);
      const paths = pathsOf(sample).filter((path) => path.length > 0 && !isRepeated(path));
      // Many wrong values come to the same; three checks of each would take minutes.
      const used = new Set<string>();
      for (const path of paths)
        for (const wrong of WRONG_VALUES) {
          const about = `${path.join('.')} is ${JSON.stringify(wrong)}`;
          const text = toText(replaceAt(sample, path, wrong));
          const file = write(text);
          const lines: string[] = [];
          const value = openStateFile(file, format, (line) => lines.push(line));
          assert.ok(safeParse(format.schema, value).success, about);
          assertKept(value, sample, partOf(path, depth), about);
          assert.equal(asideOf(file).length, lines.length, about);
          for (const aside of asideOf(file))
            assert.equal(readFileSync(join(dirname(file), aside), 'utf8'), text, about);
          assert.deepEqual(openStateFile(file, format, assert.fail), value, about);
          if (!used.has(JSON.stringify(value))) await use(write(text));
          used.add(JSON.stringify(value));
        }
    });

    const texts: Readonly<Record<string, () => readonly (string | Buffer)[]>> = {
      empty: () => [''],
      'cut off': () => {
        const text = toText(sample);
        return Array.from({ length: 20 }, (_, at) => text.slice(0, Math.floor((text.length * at) / 20)));
      },
      'of other bytes': () =>
        Array.from({ length: 20 }, (_, seed) =>
          Buffer.from(Array.from({ length: 500 }, (_, at) => (at * at * 31 + seed * 97 + (at >> 3)) % 256)),
        ),
      'no object': () => ['null', '5', '"x"', '[]', 'true'],
      'of another version': () =>
        [undefined, null, 0, 'x', format.version - 1, format.version + 1].map((version) =>
          JSON.stringify({ ...(sample as object), version }),
        ),
    };
    for (const [how, make] of Object.entries(texts))
      test(`a file that is ${how} begins anew, and is put aside`, async () => {
        for (const content of make()) {
          const path = write(content);
          const lines: string[] = [];
          openStateFile(path, format, (line) => lines.push(line));
          assert.equal(lines.length, 1);
          const [aside = ''] = asideOf(path);
          assert.ok(lines[0]?.includes(aside) && lines[0].includes('cannot be used'), lines[0]);
          assert.deepEqual(readFileSync(join(dirname(path), aside)), Buffer.from(content));
          await use(path);
          await use(write(content));
        }
      });

    const others: Readonly<Record<string, (path: string) => void>> = {
      'a FIFO': (path) => void execFileSync('mkfifo', [path]),
      'a folder': (path) => mkdirSync(path),
      'a link to a device': (path) => symlinkSync('/dev/zero', path),
      'a file of 40 MB': (path) => {
        writeFileSync(path, '');
        truncateSync(path, 40_000_000);
      },
    };
    for (const [what, make] of Object.entries(others))
      test(`${what} in its place is put aside, and never waited for`, async () => {
        const path = write();
        make(path);
        assert.equal(readStateFile(path, format).kind, 'unusable');
        await use(path);
        assert.equal(asideOf(path).length, 1);
      });
  });

test('the shapes that once stopped the monitor cost what is wrong, and nothing else', () => {
  const path = join(tempFolder(), 'monitor.json');
  const now = Date.now();
  const health = { failures: null, history: 'x', breaker: null, warnings: null, crashedAt: 5, downMs: 7 };
  writeFileSync(path, JSON.stringify({ version: 3, ports: { 6274: { health, daemonPid: 77 } } }));
  const lines: string[] = [];
  const record = loadHealth(path, proxies, (line) => lines.push(line)).get('6274');
  assert.ok(record);
  const { failures, history, downMs, firstCheckAt } = record.health;
  assert.deepEqual(
    [failures, history, downMs, record.daemonPid],
    [{ consecutive: 0, sinceHealthy: 0, total: 0 }, [], 7, 77],
  );
  assert.ok(firstCheckAt >= now);
  assert.match(
    lines[0] ?? '',
    /Parts of .*monitor\.json begin anew: ports\.6274\.health\.history is "x": expected a list; ports\.6274\.health\.failures is null: expected an object; .*The file as it was: .*monitor\.json\.bad-\d{8}T\d{6}Z$/,
  );
});
