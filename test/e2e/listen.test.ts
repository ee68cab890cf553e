import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createHost, join, type Program } from '../support/containers/network-namespace.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';
import { until } from '../support/until.ts';

const skip = needs(needsRoot(), needsProgram('ip', 'iproute2'));
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).end('hi')).listen(7000, process.argv[1])`;

/** Two network namespaces act as machines: the application and the proxy run in one, the client in the other. */
test('an auto listener follows the addresses of its host, and leaves loopback to the upstream', {
  skip,
}, async (t) => {
  const inside = createHost('in');
  const outside = createHost('out');
  t.after(() => [inside, outside].map((host) => host.remove()));
  const { ipv4, ipv6 } = join(inside, outside, 1);
  const proxy = inside.start(process.execPath, ['dist/cli.js', 'proxy', '7000', 'localhost', '7000']);
  t.after(() => proxy.stop());
  await reachable(() => outside.connects(ipv4, 7000), proxy);
  await reachable(() => outside.connects(ipv6, 7000), proxy);
  await until(() => /listening on \[fe80::[^\]]+%veth1\]:7000/.test(proxy.output()), 'fe80:: with its scope');

  const upstream = inside.start(process.execPath, ['-e', SERVER, '127.0.0.1']);
  t.after(() => upstream.stop());
  await until(() => inside.connects('127.0.0.1', 7000), 'the upstream on loopback');
  assert.equal(upstream.output(), '', 'the upstream got its port');

  const change = (command: 'add' | 'del', address: string): Buffer =>
    execFileSync('ip', ['-n', inside.name, 'addr', command, address, 'dev', 'veth1']);
  change('add', '10.77.1.22/24');
  await reachable(() => outside.connects('10.77.1.22', 7000), proxy);
  change('del', '10.77.1.22/24');
  await until(
    () => proxy.output().includes('10.77.1.22:7000 is no longer an address'),
    'the log line of the removed address',
  );
  assert.ok(outside.connects(ipv4, 7000), proxy.output());
});

test('an external listener leaves loopback to others, and a wildcard does not', { skip }, async (t) => {
  const inside = createHost('in');
  const outside = createHost('out');
  t.after(() => [inside, outside].map((host) => host.remove()));
  const { ipv4 } = join(inside, outside, 2);
  const proxy = (listen: string, upstreamPort = '7000'): Program => {
    const started = inside.start(process.execPath, [
      'dist/cli.js',
      'proxy',
      listen,
      '127.0.0.1',
      upstreamPort,
    ]);
    t.after(() => started.stop());
    return started;
  };
  const upstream = inside.start(process.execPath, ['-e', SERVER, '127.0.0.1']);
  t.after(() => upstream.stop());
  await until(() => inside.connects('127.0.0.1', 7000), 'the upstream');

  const external = proxy('external:7001');
  await reachable(() => outside.connects(ipv4, 7001), external);
  assert.equal(inside.connects('127.0.0.1', 7001), false);

  const everywhere = proxy('7002');
  await reachable(() => outside.connects(ipv4, 7002), everywhere);
  assert.equal(inside.connects('127.0.0.1', 7002), true);

  const taken = proxy('0.0.0.0:7000', '7001');
  await until(() => /in use by pid \d+ \(.*node -e/.test(taken.output()), 'the owner of the port by name');
});

const reachable = async (connects: () => boolean, proxy: Program): Promise<void> => {
  await until(connects, `reachable from outside; output of the proxy: ${proxy.output()}`);
};
