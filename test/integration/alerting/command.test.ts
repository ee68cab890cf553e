import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runProgram } from '../../../src/alerting/channels/command.ts';
import { webhookBody } from '../../../src/alerting/channels/webhook.ts';
import type { Delivery } from '../../../src/alerting/delivery.ts';
import type { Message } from '../../../src/alerting/policy/notification.ts';
import { flood, message, notification } from '../../support/alerting/notification-samples.ts';
import { tempFolder } from '../../support/temp-dir.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;
const sample = message(notification());

/** Makes a program of the shell; it finds its folder in $FOLDER. */
const program = (script: string): { readonly path: string; readonly folder: string } => {
  const folder = tempFolder();
  const path = join(folder, 'on alert');
  writeFileSync(path, `#!/bin/sh\nFOLDER='${folder}'\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, folder };
};

const run = (
  path: string,
  {
    about = sample,
    timeoutMs = 60_000,
    signal = never,
  }: { about?: Message; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Delivery> =>
  runProgram(path, { message: about, pageUrl: 'http://127.0.0.1:6270', timeoutMs }, signal);

const failed = (problem: string, isFinal = false): Delivery => ({
  ok: false,
  problem,
  retryAfterMs: null,
  isFinal,
});

const isRunning = (pid: number): boolean => {
  try {
    // A process that nobody has waited for yet is still in the table.
    return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('a program gets the JSON of the webhook on its stdin', async () => {
  const { path, folder } = program('cat > "$FOLDER/stdin"');
  assert.deepEqual(await run(path), { ok: true });
  assert.deepEqual(
    JSON.parse(readFileSync(join(folder, 'stdin'), 'utf8')),
    webhookBody(sample, 'http://127.0.0.1:6270'),
  );
});

test('a program gets a few variables, and of the environment only what the apps get', async () => {
  const before = { ...process.env };
  Object.assign(process.env, { AWS_SECRET: 'hidden', SLACK_WEBHOOK_URL: 'https://hidden', TZ: 'UTC' });
  const { path, folder } = program('env -0 > "$FOLDER/env"; pwd > "$FOLDER/cwd"; echo "$#" > "$FOLDER/args"');
  try {
    assert.deepEqual(await run(path), { ok: true });
  } finally {
    process.env = before;
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const env = Object.fromEntries(
    read('env')
      .split('\0')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  assert.deepEqual([read('cwd'), read('args')], ['/\n', '0\n']);
  assert.equal(env['STEADYPORT_ALERT_ID'], 'm-1');
  assert.equal(env['STEADYPORT_ALERT_STATUS'], 'firing');
  assert.equal(env['STEADYPORT_ALERT_SEVERITY'], 'critical');
  assert.equal(env['STEADYPORT_ALERT_PROXIES'], 'tcp-proxy-6274');
  assert.equal(
    env['STEADYPORT_ALERT_SUMMARY'],
    '🚨 Down on devbox: MCP Inspector Web UI (tcp-proxy-6274). Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
  );
  assert.deepEqual([env['TZ'], env['PATH']], ['UTC', before['PATH']]);
  assert.deepEqual([env['AWS_SECRET'], env['SLACK_WEBHOOK_URL']], [undefined, undefined]);
});

test('neither a shell nor a word of an alert is run', async () => {
  const { path, folder } = program('cat > "$FOLDER/stdin"');
  const outside = notification({ label: `$(touch '${folder}/run') ; \u0000 \`touch '${folder}/run'\`` });
  assert.deepEqual(await run(path, { about: message(outside) }), { ok: true });
  assert.deepEqual([existsSync(join(folder, 'stdin')), existsSync(join(folder, 'run'))], [true, false]);
});

test('sixty ports at once fit, and so do a thousand with the longest names', async () => {
  const { path, folder } = program('cat > "$FOLDER/stdin"');
  const proxies = Array.from({ length: 1_000 }, (_, index) => `unix-proxy-${index}-`.padEnd(255, 'x'));
  const thousand = message(...proxies.map((proxy) => notification({ proxy })));
  for (const about of [flood, thousand]) {
    assert.deepEqual(await run(path, { about }), { ok: true });
    const { alerts } = JSON.parse(readFileSync(join(folder, 'stdin'), 'utf8'));
    assert.equal(alerts.length, about.notifications.length);
  }
  // More than a pipe holds, and nobody reads it.
  assert.deepEqual(await run(program('exit 0').path, { about: thousand }), { ok: true });
});

describe('what the end of a program means', () => {
  const table: readonly [title: string, script: string, delivery: Delivery][] = [
    ['exit code 0', 'echo fine; echo warning >&2', { ok: true }],
    ['a program that does not read its stdin', 'exec < /dev/null', { ok: true }],
    ['EX_TEMPFAIL', 'exit 75', failed('exit code 75')],
    [
      'any other code',
      'echo first >&2; echo "no route to host" >&2; exit 1',
      failed('exit code 1: no route to host'),
    ],
    ['EX_DATAERR', 'echo "no such template" >&2; exit 65', failed('exit code 65: no such template', true)],
    ['a signal', 'kill -TERM $$', failed('killed by SIGTERM')],
    ['a command that is not found', 'no-such-command 2> /dev/null', failed('exit code 127')],
    [
      'a last line that is long and has control characters',
      `printf 'a\\tb\\033[31m%0200d' 0 >&2; exit 2`,
      failed(`exit code 2: a b [31m${'0'.repeat(92)}…`),
    ],
    [
      'output without end before the last line',
      'head -c 1000000 /dev/zero | tr "\\0" "x" >&2; echo >&2; echo last >&2; exit 3',
      failed('exit code 3: last'),
    ],
  ];
  for (const [title, script, delivery] of table)
    test(title, async () => assert.deepEqual(await run(program(script).path), delivery));
});

test('a program that hangs is given up after the time-out', async () => {
  assert.deepEqual(
    await run(program('exec sleep 1000').path, { timeoutMs: 100 }),
    failed('timed out after 0.1 s'),
  );
});

test('a program that is given up is killed with all that it has started', async () => {
  const { path, folder } = program(
    'trap "" TERM; sleep 1000 & echo "$$ $!" > "$FOLDER/new"; mv "$FOLDER/new" "$FOLDER/pids"; wait',
  );
  const abortController = new AbortController();
  const { signal } = abortController;
  const running = run(path, { signal });
  await until(() => existsSync(join(folder, 'pids')));
  const pids = readFileSync(join(folder, 'pids'), 'utf8').split(' ').map(Number);
  assert.deepEqual(pids.map(isRunning), [true, true]);
  abortController.abort();
  assert.deepEqual(await running, failed('given up, since the monitor stops'));
  await until(() => !pids.some(isRunning));
  assert.deepEqual(await run(path, { signal }), failed('given up, since the monitor stops'));
});

test('what a program leaves in the background holds nothing up, and no pipe to it stays open', async () => {
  // It writes until its stderr has nobody who reads it, and would wait for ever if a reader held a full pipe open.
  const { path, folder } = program(
    `echo x >&2; (trap '' PIPE; while echo x >&2; do :; done; echo over > "$FOLDER/over") & exit 4`,
  );
  assert.deepEqual(await run(path), failed('exit code 4: x'));
  await until(() => existsSync(join(folder, 'over')));
});

test('a program that cannot be started is tried again', async () => {
  const folder = tempFolder();
  const path = join(folder, 'program');
  const none = 'the program cannot be started: there is no such file, or its first line names none';
  assert.deepEqual(await run(path), failed(none));
  writeFileSync(path, '#!/no/such/interpreter\n');
  assert.deepEqual(await run(path), failed('the program cannot be started: this user may not execute it'));
  chmodSync(path, 0o755);
  assert.deepEqual(await run(path), failed(none));
  assert.deepEqual(await run(folder), failed('the program cannot be started: this user may not execute it'));
});
