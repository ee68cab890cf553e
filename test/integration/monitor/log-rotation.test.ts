import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { createLogRotation } from '../../../src/monitor/log-rotation.ts';
import type { Pm2App, Pm2View } from '../../../src/pm2/client.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** Rotates the logs of the connections and those of PM2, which has the proxy and somebody else's app. */
const open = (t: { after(end: () => void): void }, logs: object = { maxBytes: 10, maxFiles: 2 }) => {
  const folder = tempFolder();
  const [own, pm2] = [join(folder, 'own'), join(folder, 'pm2')];
  for (const path of [own, pm2]) mkdirSync(path);
  const parsed = parseConfig({ proxies: [{ listen: '6274', upstream: 'localhost:6274' }], logs });
  assert.ok(parsed.ok);
  const app = (name: string): [string, Pm2App] => [
    name,
    {
      pid: 1,
      status: 'online',
      statusText: 'online',
      logs: { out: join(pm2, `${name}-out.log`), err: join(pm2, `${name}-error.log`) },
      env: {},
    },
  ];
  let view: Pm2View = {
    ok: true,
    daemonPid: 1,
    apps: new Map(['tcp-proxy-6274', 'proxy-monitor', 'other'].map(app)),
  };
  const logged: string[] = [];
  const reloads: string[][] = [];
  let isFailing = false;
  const rotation = createLogRotation({
    config: parsed.config,
    appNames: ['tcp-proxy-6274', 'proxy-monitor'],
    stateDir: { logsFolder: own },
    pm2: {
      reloadLogs: async () => {
        reloads.push(readdirSync(pm2).sort());
        if (isFailing) throw new Error('no answer');
      },
    },
    listPm2: async () => view,
    log: (_, text) => logged.push(text),
  });
  t.after(() => rotation.stop());
  return {
    rotation,
    own,
    pm2,
    logged,
    reloads,
    setFailing: (is: boolean) => {
      isFailing = is;
    },
    setView: (next: Pm2View) => {
      view = next;
    },
  };
};
const LONG = 'longer than that\n';
const isRotated = (name: string): boolean => /\.log-\d{8}-\d+$/.test(name);

test('the logs of connections that are too long are renamed, also of a proxy that is no more', async (t) => {
  const { rotation, own, reloads } = open(t);
  for (const name of ['tcp-proxy-6274.log', 'tcp-proxy-1.log', 'notes.txt'])
    writeFileSync(join(own, name), LONG);
  writeFileSync(join(own, 'short.log'), '');
  await rotation.check();
  const names = readdirSync(own).sort();
  assert.deepEqual(
    names.filter((name) => !isRotated(name)),
    ['notes.txt', 'short.log'],
  );
  assert.equal(names.filter(isRotated).length, 2);
  assert.deepEqual(reloads, []);
});

test("PM2's logs of our own apps are renamed, then PM2 reopens them", async (t) => {
  const { rotation, pm2, reloads } = open(t);
  for (const app of ['tcp-proxy-6274', 'proxy-monitor', 'other'])
    writeFileSync(join(pm2, `${app}-out.log`), LONG);
  await rotation.check();
  assert.equal(reloads.length, 1);
  assert.deepEqual(
    reloads[0]?.filter((name) => !isRotated(name)),
    ['other-out.log'],
  );
  await rotation.check();
  assert.equal(reloads.length, 1);
});

test('while PM2 is not there its logs are left alone', async (t) => {
  const { rotation, pm2, reloads, setView } = open(t);
  writeFileSync(join(pm2, 'proxy-monitor-error.log'), LONG);
  setView({ ok: false, problem: 'the PM2 daemon is not running' });
  await rotation.check();
  assert.deepEqual([readdirSync(pm2), reloads.length], [['proxy-monitor-error.log'], 0]);
});

test('a rotation that fails is logged once, and tried again', async (t) => {
  const { rotation, pm2, reloads, logged, setFailing } = open(t);
  writeFileSync(join(pm2, 'proxy-monitor-out.log'), LONG);
  setFailing(true);
  for (let twice = 0; twice < 2; twice += 1) await rotation.check();
  assert.deepEqual([reloads.length, logged], [2, ['Cannot rotate the logs: no answer']]);
  setFailing(false);
  for (let twice = 0; twice < 2; twice += 1) await rotation.check();
  assert.equal(reloads.length, 3);
});

test('PM2 reopens what an earlier monitor has renamed without that, once', async (t) => {
  const { rotation, pm2, reloads } = open(t);
  const left = 'tcp-proxy-6274-out.log-20260101-1';
  writeFileSync(join(pm2, left), 'text');
  writeFileSync(join(pm2, 'proxy-monitor-out.log'), '');
  for (let twice = 0; twice < 2; twice += 1) await rotation.check();
  assert.deepEqual(reloads, [['proxy-monitor-out.log', left]]);
});

test('PM2 reopens its logs before anything is compressed', async (t) => {
  const { rotation, pm2, reloads } = open(t);
  const earlier = 'proxy-monitor-out.log-20260101-1';
  writeFileSync(join(pm2, earlier), 'text');
  writeFileSync(join(pm2, 'proxy-monitor-out.log'), LONG);
  await rotation.check();
  assert.ok(reloads[0]?.includes(earlier), 'as it was');
  assert.ok(readdirSync(pm2).includes(`${earlier}.gz`));
});

test('what an earlier monitor has left undone is done at the first check', async (t) => {
  const { rotation, own } = open(t);
  writeFileSync(join(own, 'a.log'), '');
  for (const number of [1, 2, 3]) writeFileSync(join(own, `a.log-20260101-${number}`), 'text');
  await rotation.check();
  assert.deepEqual(readdirSync(own).sort(), ['a.log', 'a.log-20260101-2.gz', 'a.log-20260101-3']);
});
