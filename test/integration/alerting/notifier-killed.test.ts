import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { alertsConfig } from '../../support/alerting/fake-receivers.ts';
import { answer, openReceiver, type Receiver } from '../../support/alerting/http-receiver.ts';
import { startChild } from '../../support/child-process.ts';
import { compiled } from '../../support/compiled.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const module = (path: string): string => JSON.stringify(compiled(path).href);

/**
 * A monitor's notifier with one port, which goes down and comes back; each happens when what was before is sent. What the
 * port is like is in a file, as the monitor keeps it. It counts the points that it comes to, before and after each step of a
 * write and each try to send, and says which of them were those of sending.
 * @param killAt it kills itself at this point; 0: never
 */
const runNotifier = async (
  t: TestContext,
  folder: string,
  { url }: Receiver,
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
    const { secrets } = parseSecrets({ WEBHOOK_URL: ${JSON.stringify(url)} });
    const [webhook] = createChannels(secrets).eventChannels;
    const sendPoints = [];
    const sendPoint = () => { point(); sendPoints.push(points); };
    const send = async (message, signal) => {
      sendPoint();
      const delivery = await webhook.send(message, signal);
      sendPoint();
      return delivery;
    };
    const notifier = startNotifier({
      path: path + '/alerts.json',
      config: ${JSON.stringify(alertsConfig({ groupWaitMs: 20 }))},
      channels: { eventChannels: [{ name: 'webhook', send }], stateChannels: [] },
      log: (event, text) => writeSync(2, text + '\\n'),
      proxies: () => [proxyViewOf(health())],
    });
    const sent = async (count) => {
      while ((notifier.counts().webhook?.sent ?? 0) < count) await new Promise((done) => setTimeout(done, 5));
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

/** What a message is, and which one it is. */
const messagesOf = ({ received }: Receiver): readonly (readonly [what: string, id: string])[] =>
  received.map(({ json }) => {
    const { id, status } = json as { id: string; status: string };
    return [status, id];
  });

/** The end of the first draft, with the first announcement in it. */
const FIRST_DRAFT_WRITTEN = 2;

// Every step of a write is tried in notifier-kill-steps.test.ts, by a process that is simulated.
test('a monitor that is really killed loses nothing, and sends at most one message twice, with the same id', async (t) => {
  const undisturbed = await openReceiver(answer(200));
  const { sendPoints, isKilled } = await runNotifier(t, createScenarioFolder(), undisturbed, 0);
  assert.equal(isKilled, false);
  assert.deepEqual(
    messagesOf(undisturbed).map(([what]) => what),
    ['firing', 'resolved'],
  );
  const [beforeDelivery = 0, afterDelivery = 0] = sendPoints;
  assert.ok(FIRST_DRAFT_WRITTEN < beforeDelivery && beforeDelivery < afterDelivery, String(sendPoints));
  const killedAt = async (killAt: number): Promise<number> => {
    const [folder, receiver] = [createScenarioFolder(), await openReceiver(answer(200))];
    assert.equal((await runNotifier(t, folder, receiver, killAt)).isKilled, true);
    await runNotifier(t, folder, receiver, 0);
    const messages = messagesOf(receiver);
    const once = new Map(messages.map(([what, id]) => [id, what]));
    assert.deepEqual([...once.values()], ['firing', 'resolved'], `killed at point ${killAt}: ${messages}`);
    return messages.length;
  };
  assert.deepEqual(
    await Promise.all([FIRST_DRAFT_WRITTEN, beforeDelivery, afterDelivery].map(killedAt)),
    [2, 2, 3],
    'only a kill between a delivery and its record makes a message come twice',
  );
});
