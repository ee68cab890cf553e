import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Channels } from '../../alerting/channels/channel.ts';
import { createChannels } from '../../alerting/channels/registry.ts';
import type { Delivery } from '../../alerting/delivery.ts';
import type { Notification } from '../../alerting/policy/notification.ts';
import { requireSecrets } from '../../config/load-secrets.ts';
import { requireRunningConfig } from '../../config/project/running.ts';
import { readSettings } from '../../config/settings.ts';
import { CHANNELS } from '../../kinds/channels/registry.ts';
import { UsageError } from '../../lib/usage-error.ts';

/** The time after which the test ends by itself in Alertmanager. */
const TEST_DURATION_MS = 60_000;

/**
 * `steadyport alert-test`: 0 when every channel accepted the test, 1 when one did not, 2 when there is none or the
 * config is wrong.
 */
export const run = async (): Promise<number> => {
  const settings = readSettings();
  const { config } = await requireRunningConfig(settings);
  const { secrets, warnings } = requireSecrets(settings);
  for (const warning of warnings) process.stderr.write(`steadyport: ${warning}\n`);
  const { eventChannels, stateChannels } = createChannels(secrets);
  if (eventChannels.length + stateChannels.length === 0) {
    const dotEnvPath = join(dirname(settings.configPath), '.env');
    throw new UsageError(`no channel for alerts; write one into ${dotEnvPath}: ${listVariables()}`);
  }
  return reportDeliveries(
    sendTest({ eventChannels, stateChannels }, settings.project.monitorApp, config.host),
  );
};

/** "SLACK_WEBHOOK_URL, DISCORD_WEBHOOK_URL or ALERTMANAGER_URL" */
const listVariables = (): string =>
  new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(CHANNELS.map(({ variable }) => variable));

interface PendingDelivery {
  readonly name: string;
  readonly delivery: Promise<Delivery>;
}

/** Sends the test to all channels at the same time. */
const sendTest = (
  { eventChannels, stateChannels }: Channels,
  app: string,
  host: string,
): readonly PendingDelivery[] => {
  const now = Date.now();
  const notification = createTestNotification(app, host, now);
  const message = { id: randomUUID(), createdAt: now, notifications: [notification] };
  const alert = { notification, startsAt: now, endsAt: now + TEST_DURATION_MS };
  const { signal } = new AbortController();
  return [
    ...eventChannels.map(({ name, send }) => ({ name, delivery: send(message, signal) })),
    ...stateChannels.map(({ name, sendAll }) => ({ name, delivery: sendAll([alert], signal) })),
  ];
};

/** Prints a line for each channel. @returns the exit code */
const reportDeliveries = async (pending: readonly PendingDelivery[]): Promise<0 | 1> => {
  let exitCode: 0 | 1 = 0;
  for (const { name, delivery: pendingDelivery } of pending) {
    const delivery = await pendingDelivery;
    process.stdout.write(`${name}: ${delivery.ok ? 'sent' : delivery.problem}\n`);
    if (!delivery.ok) exitCode = 1;
  }
  return exitCode;
};

const createTestNotification = (app: string, host: string, now: number): Notification => ({
  kind: 'test',
  severity: 'info',
  proxy: app,
  label: 'steadyport',
  host,
  cause: null,
  startedAt: now,
  endedAt: null,
  summary: `This is a test of the alerts of steadyport on ${host}.`,
  reason: 'Somebody has run the command alert-test.',
  actionTaken: null,
  nextStep: 'Nothing: alerts arrive here.',
});
