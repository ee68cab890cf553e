import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { openChannels } from '../../alerting/channels/registry.ts';
import type { Delivery, Notice } from '../../alerting/policy/notification.ts';
import { MONITOR } from '../../config/app-names.ts';
import { requireConfig, requireSecrets } from '../../config/load.ts';
import { UsageError } from '../../lib/usage-error.ts';

/** To Alertmanager it is an alert that ends by itself. */
const TEST_MS = 60_000;

/** `steadyport alert-test`: 0 when every channel took it, 1 when one did not, 2 when there is none or the config is wrong. */
export const run = async (): Promise<number> => {
  const { settings } = requireConfig();
  const { secrets, warnings } = requireSecrets(settings);
  for (const warning of warnings) process.stderr.write(`steadyport: ${warning}\n`);
  const { events, levels } = openChannels(secrets);
  if (events.length + levels.length === 0)
    throw new UsageError(
      `no channel for alerts; write one into ${join(dirname(settings.configPath), '.env')}: SLACK_WEBHOOK_URL, DISCORD_WEBHOOK_URL, WEBHOOK_URL or ALERTMANAGER_URL`,
    );
  const atMs = Date.now();
  const notice = testNotice(atMs);
  const { signal } = new AbortController();
  const tries = [
    ...events.map(({ name, send }) => ({
      name,
      sending: send({ id: randomUUID(), atMs, notices: [notice] }, signal),
    })),
    ...levels.map(({ name, sendAll }) => ({
      name,
      sending: sendAll([{ notice, startsAtMs: atMs, endsAtMs: atMs + TEST_MS }], signal),
    })),
  ];
  const deliveries: Delivery[] = [];
  for (const { name, sending } of tries) {
    const delivery = await sending;
    deliveries.push(delivery);
    process.stdout.write(`${name}: ${delivery.ok ? 'sent' : delivery.problem}\n`);
  }
  return deliveries.every(({ ok }) => ok) ? 0 : 1;
};

const testNotice = (atMs: number): Notice => ({
  kind: 'test',
  severity: 'info',
  proxy: MONITOR,
  label: hostname(),
  cause: null,
  fromMs: atMs,
  toMs: null,
  what: `This is a test of the alerts of steadyport on ${hostname()}.`,
  why: 'Somebody ran "steadyport alert-test".',
  done: null,
  todo: 'Nothing: alerts arrive here.',
});
