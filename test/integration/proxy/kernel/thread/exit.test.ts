import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../../../../src/lib/address.ts';
import { compiled } from '../../../../support/compiled.ts';
import { dial, echo, ending, freePort, readBytes, serve } from '../../../../support/proxy/proxy-harness.ts';
import { needs } from '../../../../support/requirements.ts';
import { tempFolder } from '../../../../support/temp-dir.ts';

const skip = needs(process.platform === 'linux' ? undefined : 'needs Linux');
/** A process that hangs fails its test and is killed. */
const limit = { skip, timeout: 60_000 };

for (const [action, code, stderrPattern] of [
  ['throw', 1, /Error: thrown on purpose\n {4}at .*engine-process\.js/],
  ['reject', 1, /Error: rejected on purpose\n {4}at .*engine-process\.js/],
  ['exit', 3, /^$/],
] as const)
  test(`the action ${action} ends the process while the loop is idle`, limit, async (t) => {
    const { child, stderr } = await start(t);
    child.send(action);
    assert.deepEqual(await once(child, 'close'), [code, null]);
    assert.match(stderr(), stderrPattern);
  });

test('an uncaught exception ends the process while bytes flow', limit, async (t) => {
  const upstream = await serve(t, echo);
  const { child, address, stderr } = await start(t, upstream.port);
  const client = dial(t, address);
  const flow = (error?: Error | null): void => {
    if (!error) client.write(Buffer.alloc(100_000), flow);
  };
  flow();
  await readBytes(client, 1_000_000);
  client.resume();
  child.send('throw');
  assert.deepEqual(await once(child, 'close'), [1, null]);
  assert.match(stderr(), /Error: thrown on purpose/);
});

test('a signal shuts the proxy down in order', limit, async (t) => {
  const { child, lines } = await startProxy(t);
  await waitForLine(lines, /listening/);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'close'), [0, null]);
});

test('a signal that arrives as soon as the proxy listens shuts it down in order', limit, async (t) => {
  const { child, lines } = await startProxy(t, 0, preload('signal-at-listening'));
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.match(lines.join('\n'), /listening/);
});

test(
  'the death of the thread is reported with its cause, and connections end with the process',
  limit,
  async (t) => {
    const upstream = await serve(t, echo);
    const { child, address } = await start(t, upstream.port, preload('close-loop'));
    const client = dial(t, address);
    client.write('x');
    await readBytes(client, 1);
    const message = once(child, 'message');
    child.kill('SIGUSR2');
    // The loop notices the closed epoll instance only when its wait ends.
    const talk = setInterval(() => client.write('y'), 50);
    t.after(() => clearInterval(talk));
    assert.deepEqual((await message)[0], {
      death: 'the thread of the data path has failed',
      why: 'epoll_wait: EBADF',
    });
    clearInterval(talk);
    const ended = ending(client);
    child.send('exit');
    assert.deepEqual(await once(child, 'close'), [3, null]);
    await ended;
  },
);

test('a proxy whose thread dies logs the cause and exits with 1', limit, async (t) => {
  const listen = await freePort();
  const { child, lines } = await startProxy(t, listen, preload('close-loop'));
  await waitForLine(lines, /listening/);
  child.kill('SIGUSR2');
  const closed = once(child, 'close');
  // The loop notices the closed epoll instance only when its wait ends.
  const clients = setInterval(() => dial(t, { host: '127.0.0.1', port: listen }), 500);
  t.after(() => clearInterval(clients));
  assert.deepEqual(await closed, [1, null]);
  assert.match(lines.join('\n'), /the thread of the data path has failed: epoll_wait: EBADF/);
});

test(
  'a thread that never gives way is reported as stuck, and the process can still exit',
  limit,
  async (t) => {
    const file = join(tempFolder(), 'stuck');
    const preload = compiled('test/support/fake-kernel/programs/stuck-thread.ts').href;
    const { child } = await start(t, 1, ['--import', preload], { STEADYPORT_TEST_STUCK: file });
    const ask = async (): Promise<string> => {
      child.send('ask');
      return ((await once(child, 'message')) as [{ readonly dataPath: string }])[0].dataPath;
    };
    const becomes = async (expected: string): Promise<void> => {
      while ((await ask()) !== expected) await pause(100);
    };
    assert.equal(await ask(), 'ok');
    writeFileSync(file, '');
    await becomes('stuck');
    rmSync(file);
    await becomes('ok');
    writeFileSync(file, '');
    await becomes('stuck');
    child.send('exit');
    assert.deepEqual(await once(child, 'close'), [null, 'SIGKILL']);
  },
);

test('a blocked main thread stops neither bytes nor new clients', limit, async (t) => {
  const upstream = await serve(t, echo);
  const { child, address, lines } = await start(t, upstream.port);
  const client = dial(t, address);
  client.write('x');
  await readBytes(client, 1);
  child.send('block');
  await waitForLine(lines, /^blocked$/);
  for (let n = 0; n < 100; n += 1) {
    client.write('question');
    assert.equal((await readBytes(client, 8)).toString(), 'question');
  }
  const late = dial(t, address);
  late.write('late');
  assert.equal((await readBytes(late, 4)).toString(), 'late');
  assert.deepEqual(lines, ['blocked'], 'still blocked');
});

const preload = (name: string): readonly string[] => [
  '--import',
  compiled(`test/support/fake-kernel/programs/${name}.ts`).href,
];

interface Started {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  stderr(): string;
}

const start = async (
  t: TestContext,
  upstreamPort = 1,
  execArgv: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Started & { readonly address: Address }> => {
  const script = fileURLToPath(compiled('test/support/fake-kernel/programs/engine-process.ts'));
  const child = fork(script, [String(upstreamPort)], {
    execArgv: [...execArgv],
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const started = follow(t, child);
  const [{ address }] = (await once(child, 'message')) as [{ readonly address: Address }];
  return { ...started, address };
};

/** `steadyport proxy` with the kernel engine. */
const startProxy = async (t: TestContext, listen = 0, execArgv: readonly string[] = []): Promise<Started> => {
  const port = listen || (await freePort());
  const args = ['dist/cli.js', 'proxy', `127.0.0.1:${port}`, '127.0.0.1', '1', '--engine', 'kernel'];
  const env = { PATH: process.env['PATH'], HOME: tempFolder() };
  return follow(
    t,
    spawn(process.execPath, [...execArgv, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
};

const follow = (t: TestContext, child: ChildProcess): Started => {
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  let stderr = '';
  assert.ok(child.stdout && child.stderr);
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return { child, lines, stderr: () => stderr };
};

const waitForLine = async (lines: readonly string[], expected: RegExp): Promise<void> => {
  while (!lines.some((line) => expected.test(line))) await pause(20);
};
