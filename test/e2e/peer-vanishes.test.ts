import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import type { ConnectionRecord } from '../../src/proxy/engine.ts';
import { createHost, type Host, join, type Program } from '../support/containers/network-namespace.ts';
import { needs, needsProgram, needsRoot } from '../support/requirements.ts';
import { until } from '../support/until.ts';

const skip = needs(needsRoot(), needsProgram('ip', 'iproute2'));
/** Keepalive takes 30 s of silence and six probes, 8 s apart at most. */
const LIMIT_MS = 120_000;
/** EHOSTUNREACH: the neighbour's hardware address was given up before the connection. */
const SILENCE = /^(ETIMEDOUT|EHOSTUNREACH)$/;

/** Sends a byte, or one every 20 ms. Prints "heard" at the first data, and how the connection ended. */
const PEER = `
  const [role, host, often] = process.argv.slice(1);
  const talk = (socket) => {
    const timer = setInterval(() => socket.write('x'), 20);
    socket.write('x', () => often || clearInterval(timer));
    socket.once('data', () => console.log('heard'));
    socket.on('error', (error) => console.log('ended: ' + error.code)).on('close', () => clearInterval(timer));
  };
  if (role === 'client') talk(require('net').connect(7000, host));
  else require('net').createServer(talk).listen(7001, host, () => console.log('ready'));`;

let subnets = 0;

/** The peer's link goes down: no FIN or RST of it ever arrives. */
describe('a peer that vanishes', { skip, concurrency: true }, () => {
  for (const vanished of ['client', 'upstream'] as const)
    for (const [how, often] of [
      ['an idle connection', []],
      ['a connection with data on its way there', ['often']],
    ] as const)
      test(`${how} to the ${vanished} is reset on the other side`, async (t) => {
        const { vanishing, staying, addresses, cut } = scene(t);
        const isClient = vanished === 'client';
        const address = isClient ? '127.0.0.1' : addresses.vanishing;
        const upstream = start(isClient ? staying : vanishing, 'upstream', address, isClient ? often : []);
        await until(() => upstream.output().includes('ready'), 'the upstream', LIMIT_MS);
        const proxy = await startProxy(staying, address);
        const before = openSockets(proxy);
        const client = start(
          isClient ? vanishing : staying,
          'client',
          addresses.staying,
          isClient ? [] : often,
        );
        for (const { output } of [client, upstream])
          await until(() => output().includes('heard'), 'a byte each way', LIMIT_MS);
        await until(() => openSockets(proxy) === before + 2, 'both sides', LIMIT_MS);

        cut();
        const { reason, code } = await ended(proxy);
        assert.equal(reason, `${vanished}_reset`);
        assert.match(code ?? '', SILENCE);
        await until(() => openSockets(proxy) === before, 'no socket more than before', LIMIT_MS);
        const survivor = isClient ? upstream : client;
        await until(
          () => survivor.output().includes('ended: ECONNRESET'),
          'a reset on the other side',
          LIMIT_MS,
        );
      });

  for (const [outcome, holdMs, expected] of [
    ['is closed at the end of the hold', 3_000, /^upstream_refused$/],
    ['is detected during a long hold', 600_000, /^client_reset$/],
  ] as const)
    test(`a client that waits for the upstream ${outcome}`, async (t) => {
      const { vanishing, staying, addresses, cut } = scene(t);
      const proxy = await startProxy(staying, '127.0.0.1', '--hold-ms', String(holdMs));
      const before = openSockets(proxy);
      start(vanishing, 'client', addresses.staying, []);
      await until(() => openSockets(proxy) > before, 'the client', LIMIT_MS);
      cut();
      assert.match((await ended(proxy)).reason, expected);
      await until(() => openSockets(proxy) === before, 'no socket more than before', LIMIT_MS);
    });
});

/** Makes a host that vanishes, and one that stays, where the proxy runs. */
const scene = (t: TestContext) => {
  subnets += 1;
  const device = `veth${subnets}`;
  const vanishing = createHost('van');
  const staying = createHost('stay');
  t.after(() => [vanishing, staying].map((host) => host.remove()));
  const { ipv4 } = join(vanishing, staying, subnets);
  // The default of 15 takes a quarter of an hour of retransmissions. Each namespace has its own value.
  const fewRetries = 'echo 3 >/proc/sys/net/ipv4/tcp_retries2';
  execFileSync('ip', ['netns', 'exec', staying.name, 'sh', '-c', fewRetries]);
  return {
    vanishing,
    staying,
    addresses: { vanishing: ipv4, staying: ipv4.replace(/2$/, '1') },
    cut: () => execFileSync('ip', ['-n', vanishing.name, 'link', 'set', device, 'down']),
  };
};

const start = (host: Host, role: 'client' | 'upstream', address: string, often: readonly string[]): Program =>
  host.start(process.execPath, ['-e', PEER, role, address, ...often]);

const startProxy = async (host: Host, upstream: string, ...options: readonly string[]): Promise<Program> => {
  const args = ['dist/cli.js', 'proxy', '0.0.0.0:7000', upstream, '7001', ...options];
  const proxy = host.start(process.execPath, args, { LOG_FORMAT: 'json' });
  await until(() => proxy.output().includes('"bound"'), 'the listener', LIMIT_MS);
  return proxy;
};

/** Waits for the end of the proxy's only connection. @returns its record */
const ended = async ({ output }: Program): Promise<ConnectionRecord> => {
  const line = () => /^.*"event":"connection".*\n/m.exec(output())?.[0];
  await until(() => line() !== undefined, 'the end in the log', LIMIT_MS);
  return JSON.parse(line() ?? '');
};

const openSockets = ({ pid }: Program): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => linkOf(`/proc/${pid}/fd/${fd}`).startsWith('socket:')).length;

const linkOf = (fd: string): string => {
  try {
    return readlinkSync(fd);
  } catch {
    return '';
  }
};
