import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createChannels } from '../../src/alerting/channels/registry.ts';
import { webhookBody } from '../../src/alerting/channels/webhook.ts';
import type { Delivery } from '../../src/alerting/delivery.ts';
import type { ActiveAlert, Notification } from '../../src/alerting/policy/notification.ts';
import { parseSecrets } from '../../src/config/secrets.ts';
import { answer, openReceiver } from '../support/alerting/http-receiver.ts';
import { notification } from '../support/alerting/notification-samples.ts';
import { needsAlertmanager, openAlertmanager } from '../support/programs/alertmanager.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;

const rig = async () => {
  const receiver = await openReceiver(answer(200));
  const alertmanager = await openAlertmanager(receiver.url);
  const { secrets } = parseSecrets({ ALERTMANAGER_URL: `${alertmanager.url}/` });
  const [channel = assert.fail('no channel')] = createChannels(
    secrets,
    () => 'http://127.0.0.1:6270',
  ).stateChannels;
  const sendAll = (...alerts: readonly ActiveAlert[]): Promise<Delivery> => channel.sendAll(alerts, never);
  return { receiver, alertmanager, sendAll };
};

const down = (
  startsAt: number,
  over: Partial<Notification> = {},
  endsAt: number | null = null,
): ActiveAlert => ({
  notification: notification({ startedAt: startsAt, ...over }),
  startsAt,
  endsAt,
});

describe('with the real Alertmanager', { skip: needsAlertmanager() }, () => {
  test('an alert that is sent again stays a single alert, ends on recovery, and both are notified', async () => {
    const { receiver, alertmanager, sendAll } = await rig();
    const startsAt = Date.now() - 5_000;
    assert.deepEqual(await sendAll(down(startsAt)), { ok: true });
    const [first = assert.fail('no alert')] = await alertmanager.alerts();
    assert.deepEqual(
      [first.labels, first.status.state, first.annotations['summary'], first.startsAt],
      [
        { alertname: 'SteadyportDown', host: 'devbox', proxy: 'tcp-proxy-6274', severity: 'critical' },
        'active',
        'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
        new Date(startsAt).toISOString(),
      ],
    );
    await receiver.got(1);
    // The cause and the texts have changed since.
    const later = down(startsAt, {
      kind: 'gave_up',
      cause: 'crash_loop',
      summary: 'It crashes again and again.',
    });
    assert.deepEqual(await sendAll(later), { ok: true });
    const [second, ...others] = await alertmanager.alerts();
    assert.deepEqual(others, []);
    assert.deepEqual(
      [second?.fingerprint, second?.startsAt, second?.annotations['summary']],
      [first.fingerprint, first.startsAt, 'It crashes again and again.'],
    );
    assert.ok(Date.parse(second?.endsAt ?? '') >= Date.parse(first.endsAt));

    const endsAt = Date.now();
    assert.deepEqual(await sendAll(down(startsAt, {}, endsAt)), { ok: true });
    await receiver.got(2);
    const messages = receiver.received.map(({ json }) => json as ReturnType<typeof webhookBody>);
    // The instants are compared as numbers: Go omits the trailing zeros of a fraction (time.RFC3339Nano).
    assert.deepEqual(
      messages.map(({ status, alerts }) => [status, alerts.map(({ endsAt }) => Date.parse(endsAt))]),
      [
        ['firing', [Date.parse('0001-01-01T00:00:00Z')]],
        ['resolved', [endsAt]],
      ],
    );
    assert.deepEqual(await alertmanager.alerts(), []);
  });

  test('the outages of one port on two machines are two alerts, and each ends by itself', async () => {
    const { receiver, alertmanager, sendAll } = await rig();
    const [startsAt, endsAt] = [Date.now() - 5_000, Date.now()];
    const firing = async (): Promise<readonly unknown[]> =>
      (await alertmanager.alerts()).map(({ labels }) => labels['host']).toSorted();
    await sendAll(down(startsAt, { host: 'one' }));
    assert.deepEqual(await firing(), ['one']);
    await sendAll(down(startsAt, { host: 'other' }));
    assert.deepEqual(await firing(), ['one', 'other']);
    await sendAll(down(startsAt, { host: 'one' }, endsAt));
    assert.deepEqual(await firing(), ['other']);
    await sendAll(down(startsAt, { host: 'other' }));
    assert.deepEqual(await firing(), ['other']);
    await sendAll(down(startsAt, { host: 'other' }, endsAt));
    assert.deepEqual(await firing(), []);
    const told = (): readonly string[] =>
      receiver.received
        .flatMap(({ json }) => (json as ReturnType<typeof webhookBody>).alerts)
        .map(({ status, labels }) => `${labels['host']} ${status}`);
    await until(() => told().includes('other resolved') && told().includes('one resolved'), 'both ends');
  });

  test("our webhook's body has the form of Alertmanager's, and the same fingerprints", async () => {
    const { receiver, sendAll } = await rig();
    const first = notification();
    const second = notification({ proxy: 'tcp-proxy-6277', label: 'äöü 😀', reason: null });
    await sendAll(down(first.startedAt, first), down(second.startedAt, second));
    await receiver.got(2);
    const theirs = receiver.received.map(({ json }) => json as ReturnType<typeof webhookBody>);
    const { id, ...ours } = webhookBody(
      { id: 'm-1', createdAt: first.startedAt, notifications: [first, second] },
      'http://127.0.0.1:6270',
    );
    assert.equal(id, 'm-1');
    for (const body of theirs) assert.deepEqual(shapeOf(body), shapeOf(ours));
    const fingerprints = theirs.flatMap(({ alerts }) => alerts.map(({ fingerprint }) => fingerprint));
    assert.deepEqual(fingerprints.toSorted(), ours.alerts.map(({ fingerprint }) => fingerprint).toSorted());
    assert.deepEqual(theirs[0]?.alerts[0]?.generatorURL, ours.alerts[0]?.generatorURL);
  });

  test('an alert that it does not know may end, and a hundred alerts may be active', async () => {
    const { alertmanager, sendAll } = await rig();
    const startsAt = Date.now() - 60_000;
    assert.deepEqual(await sendAll(down(startsAt, {}, startsAt + 1_000)), { ok: true });
    assert.deepEqual(await sendAll(), { ok: true });
    assert.deepEqual(await alertmanager.alerts(), []);
    const many = Array.from({ length: 100 }, (_, at) => down(startsAt, { proxy: `tcp-proxy-${7_000 + at}` }));
    assert.deepEqual(await sendAll(...many), { ok: true });
    assert.equal((await alertmanager.alerts()).length, 100);
  });
});

/** Replaces values by their types. Labels and annotations count as texts; a list has the shape of its first element. */
const shapeOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, /(labels|annotations)$/i.test(name) ? textsOf(inner) : shapeOf(inner)]),
  );
};

const textsOf = (texts: object): string =>
  Object.values(texts).every((text) => typeof text === 'string') ? 'texts' : 'something else';
