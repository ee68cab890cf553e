import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { loadLibc } from '../../../../src/libc/libc.ts';
import { createDataPath } from '../../../../src/proxy/kernel/data-path.ts';
import { readRecords, type ThreadEvent } from '../../../../src/proxy/kernel/thread/channel.ts';
import { SharedCounters } from '../../../../src/proxy/kernel/thread/shared-counters.ts';
import { createCheckedLibc } from '../../../support/fake-kernel/checked-libc.ts';
import { LIMITS } from '../../../support/proxy/proxy-policy.ts';
import { needs } from '../../../support/requirements.ts';

const UPSTREAM = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;

/** Forty concurrent clients that send different sizes; every fourth resets in the middle. */
const CLIENTS = `const { connect } = require('node:net');
const { randomBytes } = require('node:crypto');
const connectClient = (n) => new Promise((done) => {
  const sent = randomBytes(n % 5 === 0 ? 3_000_000 : n * 997);
  const received = [];
  const socket = connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('data', (chunk) => {
    received.push(chunk);
    if (n % 4 === 0) socket.resetAndDestroy();
  }).on('error', () => {}).on('close', () => {
    if (n % 4 !== 0 && !Buffer.concat(received).equals(sent)) process.exit(2);
    done();
  });
  socket.end(sent);
});
Promise.all(Array.from({ length: 40 }, (_, n) => connectClient(n + 1))).then(() => process.exit(0));`;

test('on the real kernel the data path uses no memory and no file wrongly', {
  skip: needs(process.platform === 'linux' ? undefined : 'needs Linux'),
  timeout: 120_000,
}, async (t) => {
  const run = (script: string, ...args: readonly string[]) => {
    const child = spawn(process.execPath, ['-e', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const upstream = run(UPSTREAM);
  const [upstreamPort] = (await once(upstream.stdout, 'data')) as [Buffer];

  const real = loadLibc();
  // Short waits let Node.js work in this thread, too.
  const libc = createCheckedLibc({
    ...real,
    epollWait: (epollFd, events, maxEvents, timeoutMs) =>
      real.epollWait(epollFd, events, maxEvents, timeoutMs < 0 ? 5 : Math.min(timeoutMs, 5)),
  });
  const events: ThreadEvent[] = [];
  const policy = {
    ...LIMITS,
    upstream: { host: '127.0.0.1', port: Number(upstreamPort) },
    connectTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
  };
  const dataPath = createDataPath(
    { policy, shouldReportOpen: false, shouldLogDials: false, ephemeralPorts: { first: 1, last: 65_535 } },
    new SharedCounters(),
    libc,
    (event) => events.push(event),
  );
  dataPath.receive({ kind: 'listen', id: 1, address: { host: '127.0.0.1', port: 0 } });
  const [listening] = events;
  assert.ok(listening?.kind === 'done' && listening.bound);

  const clients = run(CLIENTS, String(listening.bound.port));
  let code: number | null | undefined;
  clients.once('exit', (exit) => {
    code = exit;
  });
  for (; code === undefined; await turn()) dataPath.loop.turn(ignore, dataPath.onTurn);
  assert.equal(code, 0);
  dataPath.receive({ kind: 'drain', limitMs: 10_000 });
  dataPath.loop.run(ignore, dataPath.onTurn);
  assert.deepEqual([...libc.files.values()], []);
  libc.verify();
  const records = events.flatMap((event) => (event.kind === 'records' ? readRecords(event.fields) : []));
  assert.equal(records.length, 40);
  assert.ok(records.filter(({ reason }) => reason === 'done').length >= 30);
});

const ignore = (): void => {};
