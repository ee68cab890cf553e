import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { Heartbeat } from '../../../../src/ipc/heartbeat.ts';
import type { Address } from '../../../../src/lib/address.ts';
import {
  type CheckSource,
  openCheckSource,
  runAnnouncedCheck,
  unboundSource,
} from '../../../../src/monitor/checks/announced-check.ts';
import { isOwnFailure, probeAccept } from '../../../../src/monitor/checks/check-connection.ts';
import { runProbe } from '../../../../src/monitor/probes/run-probe.ts';
import type { CheckAnnouncement } from '../../../../src/proxy/announced-checks.ts';
import type { Engine } from '../../../../src/proxy/engine.ts';
import { compiled } from '../../../support/compiled.ts';
import { createHost } from '../../../support/containers/network-namespace.ts';
import { deaf, ending, forEachEngine, freePort, serve } from '../../../support/proxy/proxy-harness.ts';
import { needs, needsProgram, needsRoot, OUTSIDE } from '../../../support/requirements.ts';

const LIMIT_MS = 10_000;
const PING = { type: 'expect', send: 'PING', expect: 'PONG', tls: false } as const;

/** @param afterExpect runs when the proxy has the announcement and the monitor does not know it yet */
const announceTo = (
  engine: Engine,
  afterExpect = async (_: CheckAnnouncement): Promise<void> => {},
): Pick<Heartbeat, 'ask'> => ({
  ask: async (name, argument) => {
    if (name === 'retract_check') return engine.retractCheck(argument as CheckAnnouncement);
    assert.equal(name, 'expect_check');
    engine.expectCheck(argument as CheckAnnouncement);
    return afterExpect(argument as CheckAnnouncement);
  },
});

const checkAccept = (heartbeat: Pick<Heartbeat, 'ask'>, at: Address, source?: typeof openCheckSource) =>
  runAnnouncedCheck(heartbeat, at, false, (openSocket) => probeAccept(at, LIMIT_MS, openSocket), source);

/** How a client ends that is not allowed: one that cycles through all addresses, and has come to this one. */
const clientFrom = (t: TestContext, source: Pick<CheckSource, 'connect'>, to: Address): Promise<string> => {
  const socket = source.connect(to);
  t.after(() => socket.destroy());
  return ending(socket);
};

const pong = (socket: Socket): void => {
  socket.on('data', () => socket.write('PONG'));
};

forEachEngine((name, rig) =>
  describe(`a check that the monitor announces to the ${name} engine`, () => {
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', OUTSIDE || '127.0.0.3'])
      test(`is known by the address that it has on its way to ${host}`, async (t) => {
        const upstream = await serve(t, pong);
        const { engine, address } = await rig(t, upstream, { allow: [] }, { host, port: 0 });
        const heartbeat = announceTo(engine);
        const accepts = await checkAccept(heartbeat, address);
        const answers = await runAnnouncedCheck(heartbeat, address, true, (openSocket) =>
          runProbe(address, upstream, PING, LIMIT_MS, openSocket),
        );
        assert.deepEqual([accepts.ok, answers.ok, engine.counts().total], [true, true, 0]);
      });

    test('has its address before it is announced, so that no client can come before it', async (t) => {
      const { engine, address } = await rig(t, await serve(t, pong), { allow: [] });
      const tries: string[] = [];
      const heartbeat = announceTo(engine, async ({ localHost = '', localPort }) => {
        tries.push(await clientFrom(t, unboundSource(localHost, localPort), address));
      });
      assert.equal((await checkAccept(heartbeat, address)).ok, true);
      assert.deepEqual([tries, engine.counts().total], [['EADDRINUSE'], 0]);
    });

    test('is taken back when its port is not free, which is no failure of the proxy', async (t) => {
      const { engine, address, record } = await rig(t, await serve(t, pong), { allow: [] });
      const client = openCheckSource(address.host);
      const source = () => unboundSource(address.host, client.address.port);
      const result = await checkAccept(announceTo(engine), address, source);
      assert.equal(isOwnFailure(result), true, JSON.stringify(result));
      assert.equal(await clientFrom(t, client, address), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'not_allowed');
    });

    test('is taken back when the proxy has not answered in time', async (t) => {
      const { engine, address, record } = await rig(t, await serve(t, pong), { allow: [] });
      const client = openCheckSource(address.host);
      const silent = announceTo(engine, () => Promise.reject(new Error('no answer')));
      const source = () => unboundSource(address.host, client.address.port);
      await assert.rejects(checkAccept(silent, address, source), /no answer/);
      assert.equal(await clientFrom(t, client, address), 'ECONNRESET');
      assert.equal((await record(0)).reason, 'not_allowed');
    });
  }),
);

test('a check is taken back when it could not connect, and not while it may wait to be accepted', async (t) => {
  const asked: string[] = [];
  /** A proxy of an earlier version, which knows no `retract_check`. */
  const heartbeat: Pick<Heartbeat, 'ask'> = {
    ask: async (name) => {
      asked.push(name);
      if (name === 'retract_check') throw new Error('unknown ask');
    },
  };
  const check = (at: Address, limitMs: number) =>
    runAnnouncedCheck(heartbeat, at, false, (openSocket) => probeAccept(at, limitMs, openSocket));
  const full = await deaf(t);
  const [nobody, queue] = [{ host: '127.0.0.1', port: await freePort() }, await serve(t, () => {})];
  const phases: string[] = [];
  for (const [at, limitMs] of [
    [nobody, LIMIT_MS],
    [full, 200],
    [queue, 200],
  ] as const) {
    const result = await check(at, limitMs);
    phases.push(result.ok ? 'ok' : result.phase);
  }
  assert.deepEqual(phases, ['connect', 'connect', 'answer']);
  const takenBack = ['expect_check', 'retract_check'];
  assert.deepEqual(asked, [...takenBack, ...takenBack, 'expect_check']);
});

test('a check has a port also where the system has none left to give out', {
  skip: needs(needsRoot(), needsProgram('ip', 'iproute2')),
}, (t) => {
  const host = createHost('ports');
  t.after(() => host.remove());
  const inside = (program: string, ...args: readonly string[]): string =>
    execFileSync('ip', ['netns', 'exec', host.name, program, ...args], { encoding: 'utf8' });
  inside('sh', '-c', 'echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range');
  const code = `const { openCheckSource } = await import(${JSON.stringify(MODULE)});
    console.log(JSON.stringify([1, 2, 3].map(() => openCheckSource('127.0.0.1').address.port)))`;
  const ports = JSON.parse(inside(process.execPath, '--input-type=module', '-e', code)) as number[];
  const [third = 0] = ports.splice(2);
  assert.deepEqual(ports.sort(), [40_000, 40_001]);
  assert.ok(third >= 20_000 && third < 32_000, `${third}`);
});
const MODULE = compiled('src/monitor/checks/announced-check.ts').href;
