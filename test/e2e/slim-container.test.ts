import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProxyStatus } from '../../src/status/snapshot.ts';
import { createHost, join as joinHosts } from '../support/containers/network-namespace.ts';
import {
  buildImage,
  type Image,
  needsSlimContainer,
  openSlimContainer,
  type SlimContainer,
} from '../support/containers/slim-container.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';

const isUp = ({ state }: ProxyStatus): boolean => state === 'up';

/** The command of an application that listens on loopback only. As PID 1 it never waits for inherited processes. */
const application = (port: number): string[] => [
  'node',
  '-e',
  `require('node:http').createServer((_, answer) => answer.end('the upstream')).listen(${port}, '127.0.0.1')`,
];

const answer = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();

const refuses = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1').once('error', () => done(true));
    socket.once('connect', () => done(!socket.destroy()));
  });

const skip = needsSlimContainer();
let image: Image;
before(() => {
  if (!skip) image = buildImage();
});
after(() => image?.remove());

describe('in a slim container, as nobody, with nothing but node, npm and sh', { skip }, () => {
  let container: SlimContainer;
  let port: number;
  const daemon = (): number => Number(readFileSync(join(container.home, '.pm2/pm2.pid'), 'utf8'));
  const file = (name: string): string => join(container.home, '.steadyport', name);

  before(async () => {
    container = openSlimContainer(image);
    const upstream = await freePort();
    port = await freePort();
    container.configure([
      { listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream}`, probe: { type: 'http' } },
    ]);
    await container.boot(application(upstream));
  });
  after(() => container.close());

  test('there is nothing else on the PATH, and no development dependency', async () => {
    for (const program of ['ps', 'lsof', 'curl'])
      assert.notEqual((await container.run('sh', '-c', `command -v ${program}`)).code, 0);
    assert.equal((await container.run('sh', '-c', 'command -v npm')).code, 0);
    assert.equal(existsSync(join(image.folder, 'app/node_modules/@types/node')), false);
  });

  test('npm start brings it up', async () => {
    const { code, stderr } = await container.run('npm', 'start');
    assert.equal(code, 0, stderr);
    const { pid } = await container.proxyUntil(port, isUp);
    assert.equal(await answer(port), 'the upstream');
    const { state, ...who } = container.processOf(Number(pid)) ?? assert.fail('no such process');
    assert.match(state, /^[RS]$/, 'it runs or sleeps');
    assert.deepEqual(who, { parent: daemon(), uid: 65_534 });
    const { code: exit, stdout } = await container.run('npm', 'run', '-s', 'status');
    assert.equal(exit, 0, stdout);
  });

  test('a proxy that is killed is back by itself', async () => {
    const { pid, restarts } = await container.proxyUntil(port, isUp);
    await container.kill(Number(pid));
    const back = await container.proxyUntil(port, (now) => isUp(now) && now.pid !== pid);
    assert.equal(back.restarts.crash, restarts.crash + 1);
    assert.equal(await answer(port), 'the upstream');
  });

  test('a proxy that is killed when PM2 is dead is down, although nobody reaps its zombie', async () => {
    const { pid } = await container.proxyUntil(port, isUp);
    await container.kill(daemon());
    assert.equal(await answer(port), 'the upstream');
    await container.kill(Number(pid));
    assert.deepEqual(container.processOf(Number(pid)), { state: 'Z', parent: 1, uid: 65_534 });
    const down = await container.proxyUntil(port, (now) => now.state === 'down' && now.pid === null);
    assert.equal(down.cause, 'crashed');
    assert.equal((await container.run('npm', 'run', '-s', 'status')).code, 1);
    assert.match((await container.run('npm', 'run', '-s', 'logs', '--', 'monitor')).stdout, /is not running/);
    assert.equal(container.processOf(daemon())?.state, 'Z', 'so was the daemon');
  });

  test('npm start brings it up again beside the zombies, with the counters as they were', async () => {
    const { failures, restarts } = await container.proxyUntil(port, ({ state }) => state === 'down');
    const { code, stdout, stderr } = await container.run('npm', 'start');
    assert.equal(code, 0, stdout + stderr);
    const back = await container.proxyUntil(port, (now) => isUp(now) && now.pm2 === 'online');
    assert.ok(back.failures.total >= failures.total);
    assert.deepEqual(back.restarts, restarts);
    assert.equal(await answer(port), 'the upstream');
  });

  test('npm stop ends what is left of a dead PM2', async () => {
    const { pid } = await container.proxyUntil(port, isUp);
    await container.kill(daemon());
    const { code, stdout } = await container.run('npm', 'run', '-s', 'stop');
    assert.deepEqual(
      [code, stdout],
      [0, `Stopped what had lost its PM2 daemon: the monitor, the proxy for ${port}.\n`],
    );
    assert.equal(await refuses(port), true);
    assert.match(container.processOf(Number(pid))?.state ?? 'none', /^(Z|none)$/);
    assert.match((await container.run('npm', 'run', '-s', 'stop')).stdout, /^PM2 runs nothing of /);
  });

  test('npm run uninstall leaves no process, no saved entry, and of the state the logs', async () => {
    assert.equal((await container.run('npm', 'start')).code, 0);
    await container.proxyUntil(port, isUp);
    assert.equal((await container.run('node', 'node_modules/pm2/bin/pm2', 'save')).code, 0);
    const { code, stderr } = await container.run('npm', 'run', '-s', 'uninstall');
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(await refuses(port), true);
    // The PM2 daemon runs from a release.
    assert.deepEqual(readdirSync(file('')), ['logs', 'releases']);
    assert.deepEqual(JSON.parse(readFileSync(join(container.home, '.pm2/dump.pm2'), 'utf8')), []);
    assert.equal((await container.run('node', 'node_modules/pm2/bin/pm2', 'kill')).code, 0);
    assert.equal((await container.run('npm', 'run', '-s', 'uninstall')).code, 0);
    assert.deepEqual(readdirSync(file('')), ['logs']);
  });
});

test('as a sidecar: pm2-runtime as PID 1 in the network of the application, ended by SIGTERM', {
  skip,
}, async (t) => {
  const inside = createHost('app');
  const outside = createHost('out');
  t.after(() => inside.remove());
  t.after(() => outside.remove());
  const { ipv4, ipv6 } = joinHosts(inside, outside, 31);
  inside.start(process.execPath, application(6274).slice(1));
  const container = openSlimContainer(image);
  t.after(() => container.close());
  container.configure([{ listen: '6274', upstream: 'localhost:6274', probe: { type: 'http' } }]);
  await container.boot(['node', 'node_modules/pm2/bin/pm2-runtime', 'ecosystem.config.js'], inside.name);

  const { answersOnOwnAddress, listen } = await container.proxyUntil(6274, isUp);
  assert.ok(answersOnOwnAddress, listen.join());
  assert.deepEqual([outside.connects(ipv4, 6274), outside.connects(ipv6, 6274)], [true, true]);
  const { code, stdout } = await container.run('npm', 'run', '-s', 'status');
  assert.equal(code, 0, stdout);
  assert.match(container.output(), /^\[.{19}\] Monitoring 6274 every 1000 ms$/m, 'the log is on its stdout');

  assert.equal(await container.terminate(), 0, container.output());
  assert.equal(outside.connects(ipv4, 6274), false);
  assert.match(container.output(), /PM2 successfully stopped/);
  for (const left of ['ports/6274/pid', 'monitor.sock'])
    assert.equal(existsSync(join(container.home, '.steadyport', left)), false, 'each left by itself');
});
