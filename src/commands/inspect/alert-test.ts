import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createChannels } from '../../alerting/channels/registry.ts';
import type { Delivery, Notification } from '../../alerting/policy/notification.ts';
import { MONITOR_APP } from '../../config/app-names.ts';
import { requireConfig, requireSecrets } from '../../config/load.ts';
import { UsageError } from '../../lib/usage-error.ts';

/** To Alertmanager it is an alert that ends by itself. */
const TEST_DURATION_MS = 60_000;

/** `steadyport alert-test`: 0 when every channel took it, 1 when one did not, 2 when there is none or the config is wrong. */
export const run = async (): Promise<number> => {
  const { settings } = requireConfig();
  const { secrets, warnings } = requireSecrets(settings);
  for (const warning of warnings) process.stderr.write(`steadyport: ${warning}\n`);
  const { eventChannels, stateChannels } = createChannels(secrets);
  if (eventChannels.length + stateChannels.length === 0)
    throw new UsageError(
      `no channel for alerts; write one into ${join(dirname(settings.configPath), '.env')}: SLACK_WEBHOOK_URL, DISCORD_WEBHOOK_URL, WEBHOOK_URL or ALERTMANAGER_URL`,
    );
  const now = Date.now();
  const notification = createTestNotification(now);
  const { signal } = new AbortController();
  const attempts = [
    ...eventChannels.map(({ name, send }) => ({
      name,
      pendingDelivery: send({ id: randomUUID(), createdAt: now, notifications: [notification] }, signal),
    })),
    ...stateChannels.map(({ name, sendAll }) => ({
      name,
      pendingDelivery: sendAll([{ notification, startsAt: now, endsAt: now + TEST_DURATION_MS }], signal),
    })),
  ];
  const deliveries: Delivery[] = [];
  for (const { name, pendingDelivery } of attempts) {
    const delivery = await pendingDelivery;
    deliveries.push(delivery);
    process.stdout.write(`${name}: ${delivery.ok ? 'sent' : delivery.problem}\n`);
  }
  return deliveries.every(({ ok }) => ok) ? 0 : 1;
};

const createTestNotification = (now: number): Notification => ({
  kind: 'test',
  severity: 'info',
  proxy: MONITOR_APP,
  label: hostname(),
  cause: null,
  startedAt: now,
  endedAt: null,
  summary: `This is a test of the alerts of steadyport on ${hostname()}.`,
  reason: 'Somebody ran "steadyport alert-test".',
  actionTaken: null,
  nextStep: 'Nothing: alerts arrive here.',
});
