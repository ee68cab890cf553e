import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { alertsConfig } from '../../support/alerting/fake-receivers.ts';
import { answer, openReceiver } from '../../support/alerting/http-receiver.ts';
import { openMailReceiver } from '../../support/alerting/smtp-receiver.ts';
import { startChild } from '../../support/child-process.ts';
import { compiled } from '../../support/compiled.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const module = (path: string): string => JSON.stringify(compiled(path).href);

/**
 * A monitor's notifier with one port, which goes down and comes back; each happens when what was before is sent. What the
 * port is like is in a file, as the monitor keeps it. It says how many points it came to: before and after each step of
 * a write, and each try to send.
 * @param killAt it kills itself at this point; 0: never
 */
const runNotifier = async (
  t: TestContext,
  folder: string,
  { name, variables }: Pick<KilledChannel, 'name' | 'variables'>,
  killAt: number,
): Promise<{ readonly sendPoints: readonly number[]; readonly isKilled: boolean }> => {
  const child = startChild(t, process.execPath, [
    '--input-type=module',
    '-e',
    `
    import fs, { readFileSync, writeSync } from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    import { createHealth } from ${module('src/health/state.ts')};
    import { parseSecrets } from ${module('src/config/secrets.ts')};
    import { createChannels } from ${module('src/alerting/channels/registry.ts')};
    import { startNotifier } from ${module('src/alerting/notifier.ts')};
    import { incident, past, proxyViewOf } from ${module('test/support/alerting/alert-scenario.ts')};

    const [write, rename] = [fs.writeFileSync, fs.renameSync];
    let points = 0;
    const point = () => { if (++points === ${killAt}) process.kill(process.pid, 'SIGKILL'); };
    const around = (step) => (...args) => { point(); step(...args); point(); };
    fs.writeFileSync = around(write);
    fs.renameSync = around(rename);
    syncBuiltinESMExports();

    const path = ${JSON.stringify(folder)};
    const story = JSON.parse(readFileSync(path + '/port.json', 'utf8'));
    const happen = (change) => {
      Object.assign(story, change);
      write(path + '/port.next', JSON.stringify(story));
      rename(path + '/port.next', path + '/port.json');
      notifier.evaluateSoon();
    };
    const health = () => ({
      ...createHealth(0),
      state: 'up',
      incident: story.fellMs && !story.roseMs ? incident(story.fellMs) : null,
      history: story.roseMs ? [past(story.fellMs, story.roseMs)] : [],
    });
    const { secrets } = parseSecrets(${JSON.stringify(variables)});
    const [channel] = createChannels(secrets).eventChannels;
    const sendPoints = [];
    const sendPoint = () => { point(); sendPoints.push(points); };
    const send = async (message, signal) => {
      sendPoint();
      const delivery = await channel.send(message, signal);
      sendPoint();
      return delivery;
    };
    const notifier = startNotifier({
      path: path + '/alerts.json',
      config: ${JSON.stringify(alertsConfig({ groupWaitMs: 20 }))},
      channels: { eventChannels: [{ ...channel, send }], stateChannels: [] },
      log: (event, text) => writeSync(2, text + '\\n'),
      proxies: () => [proxyViewOf(health())],
    });
    const sent = async (count) => {
      while ((notifier.counts()[${JSON.stringify(name)}]?.sent ?? 0) < count) await new Promise((done) => setTimeout(done, 5));
    };
    if (!story.fellMs) happen({ fellMs: Date.now() });
    await sent(1);
    if (!story.roseMs) happen({ roseMs: Date.now() });
    await sent(2);
    await notifier.stop();
    writeSync(1, JSON.stringify(sendPoints));
    process.exit(0);`,
  ]);
  let output = '';
  child.stdout?.on('data', (text) => (output += String(text)));
  await once(child, 'close');
  return { sendPoints: JSON.parse(output || '[]'), isKilled: child.signalCode === 'SIGKILL' };
};

const createScenarioFolder = (): string => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'port.json'), '{}');
  return folder;
};

/** A channel, and what has arrived by it: what each message is, and which one it is. */
interface KilledChannel {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
  messages(): readonly (readonly [what: string, id: string])[];
}

const openWebhook = async (): Promise<KilledChannel> => {
  const { url, received } = await openReceiver(answer(200));
  return {
    name: 'webhook',
    variables: { WEBHOOK_URL: url },
    messages: () =>
      received.map(({ json }) => {
        const { id, status } = json as { id: string; status: string };
        return [status, id];
      }),
  };
};

/** A program that adds a line to a file for each message. @param then what it does after that, in the words of sh */
const openCommand = async (then = ''): Promise<KilledChannel> => {
  const folder = tempFolder();
  const [program, file] = [join(folder, 'program'), join(folder, 'messages')];
  const line = 'echo "$STEADYPORT_ALERT_STATUS $STEADYPORT_ALERT_ID"';
  writeFileSync(program, `#!/bin/sh\n${line} >> '${file}'\n${then}\n`, { mode: 0o755 });
  writeFileSync(file, '');
  return {
    name: 'command',
    variables: { ALERT_COMMAND: program },
    messages: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((text) => text !== '')
        .map((text) => {
          const [what = '', id = ''] = text.split(' ');
          return [what, id];
        }),
  };
};

const openEmail = async (): Promise<KilledChannel> => {
  const { port, received } = await openMailReceiver();
  return {
    name: 'email',
    variables: { EMAIL_URL: `smtp://127.0.0.1:${port}/?from=a@example.org&to=b@example.org` },
    messages: () =>
      received.map(({ source }) => [
        /^X-Priority: 1 /m.test(source) ? 'firing' : 'resolved',
        /^Message-ID: (.*)\r$/m.exec(source)?.[1] ?? '',
      ]),
  };
};

/**
 * Kills a monitor at each of the points, and lets another one go on after each.
 * @returns how many messages came twice
 */
const killAtEach = async (
  t: TestContext,
  killPoints: readonly number[],
  open: () => Promise<KilledChannel>,
): Promise<number> => {
  const duplicatesAt = async (killAt: number): Promise<number> => {
    const [folder, channel] = [createScenarioFolder(), await open()];
    assert.equal((await runNotifier(t, folder, channel, killAt)).isKilled, true);
    await runNotifier(t, folder, channel, 0);
    const messages = channel.messages();
    const once = new Map(messages.map(([what, id]) => [id, what]));
    assert.deepEqual([...once.values()], ['firing', 'resolved'], `killed at point ${killAt}: ${messages}`);
    assert.ok(messages.length <= 3, `killed at point ${killAt}: ${messages}`);
    return messages.length - once.size;
  };
  const duplicates = await Promise.all(killPoints.map(duplicatesAt));
  return duplicates.reduce((sum, count) => sum + count, 0);
};

const runUndisturbed = async (t: TestContext, channel: KilledChannel) => {
  const run = await runNotifier(t, createScenarioFolder(), channel, 0);
  assert.equal(run.isKilled, false);
  assert.deepEqual(
    channel.messages().map(([what]) => what),
    ['firing', 'resolved'],
  );
  return run;
};

/** The end of the first draft, with the first announcement in it. */
const FIRST_DRAFT_WRITTEN = 2;

// Every step of a write is tried in notifier-kill-steps.test.ts, by a process that is simulated.
test('a monitor that is really killed loses nothing, and sends at most one message twice, with the same id', async (t) => {
  const { sendPoints } = await runUndisturbed(t, await openWebhook());
  const [beforeDelivery = 0, afterDelivery = 0] = sendPoints;
  assert.ok(FIRST_DRAFT_WRITTEN < beforeDelivery && beforeDelivery < afterDelivery, String(sendPoints));
  assert.equal(await killAtEach(t, [FIRST_DRAFT_WRITTEN, beforeDelivery], openWebhook), 0);
  // Only a kill between a delivery and its record makes a message come twice.
  assert.equal(await killAtEach(t, [afterDelivery], openWebhook), 1);
});

for (const [title, open] of [
  ['a program is run', openCommand],
  ['an e-mail is sent', openEmail],
] as const)
  test(`so it is with one that is killed before or after ${title}`, async (t) => {
    const { sendPoints } = await runUndisturbed(t, await open());
    assert.equal(sendPoints.length, 4);
    // Each delivery that was not recorded is repeated.
    assert.equal(await killAtEach(t, sendPoints, open), 2);
  });

test('a monitor that is killed while the program runs sends the message again, with the same id', async (t) => {
  const folder = createScenarioFolder();
  const mark = join(folder, 'killed');
  const channel = await openCommand(`[ -e '${mark}' ] || { touch '${mark}'; kill -KILL $PPID; }`);
  assert.equal((await runNotifier(t, folder, channel, 0)).isKilled, true);
  assert.equal((await runNotifier(t, folder, channel, 0)).isKilled, false);
  const [first, again, last] = channel.messages();
  assert.equal(channel.messages().length, 3);
  assert.deepEqual(first, again);
  assert.deepEqual([first?.[0], last?.[0]], ['firing', 'resolved']);
});
